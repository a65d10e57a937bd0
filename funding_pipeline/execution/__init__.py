"""From a plan to orders. Sending them, and reconciling what was filled, comes later."""
