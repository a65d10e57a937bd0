"""The local testnet: five exchanges' REST dialects over one matching and margin engine, on loopback."""
