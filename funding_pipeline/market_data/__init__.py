"""Layer 1: raw rows into normalized tables, with instruments, intervals and data quality."""
