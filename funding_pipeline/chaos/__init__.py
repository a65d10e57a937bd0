"""Deterministic adversarial episodes: the executor against the testnet's engines, with faults and kills.

`campaign` is the door. Behind it: `scenario` draws an episode from a seed, `episode` plays it, `engines`
and `connection` put the testnet behind real ccxt clients without sockets, `virtual_time` without waiting,
`kills` ends an executor at a commit or a request, `audit` and `settlement_audit` judge what came of it.
"""
