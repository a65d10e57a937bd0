"""From a plan to orders, as pure functions: limits, exposure, risk verdict, states, slices, the next step."""
