"""The venue-neutral engine: orders, positions, margin, funding, liquidation. No HTTP, no venue's names.

`exchange` is the door. Behind it, by subject: `acceptance` and `affordability` check a ticket, `taking` and
`matching` trade it with the book, `fills` moves position and wallet (`ledger`), `margin`, `tiers` and
`modes` say what it holds, `timeline` lets time pass: `settlement`, resting orders, `liquidation`.
`interventions` is what a venue may do to its traders; `state` what is remembered, `snapshot` writes it.
"""
