"""Layer 2: what is known about each instrument at a decision time, and the labels to learn from."""
