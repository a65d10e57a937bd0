"""A night of accidents: `up` on a small market, and everything that can happen to it, with real processes."""
