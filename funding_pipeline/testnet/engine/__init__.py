"""The venue-neutral engine: orders, positions, margin, funding, liquidation. No HTTP, no venue's names."""
