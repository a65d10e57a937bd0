"""Where a market comes from: a recorded folder or the simulation. Both give the same raw frames."""
