"""One module per venue: its paths, parameters, signatures and field names over the same engine."""
