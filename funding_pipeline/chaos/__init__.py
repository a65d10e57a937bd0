"""Adversarial episodes from a seed: executor and guard against the testnet's engines, with faults and kills.

`campaign` is the door. Behind it: `scenario` draws an episode from a seed, `episode` plays it on a `ground`,
`engines` and `connection` put the testnet behind real ccxt clients without sockets, `virtual_time` without
waiting; `lives` and `guard_lives` are processes that `kills` end at a commit or a request; `mishaps` leave
the guard alone with naked legs; `audit` and `final_audit` judge what came of it. `october_2025` is a day of
its own.
"""
