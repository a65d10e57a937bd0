"""Studies and trades funding-rate differentials between perpetual-swap exchanges.

See docs/architecture.md for the layers and the one-way import rule between the packages below.
"""

__version__ = "0.1.0"
