"""`funding-pipeline soak`: days of hourly rebalances at speed, with faults, on a home of its own.

`run` is the door. Behind it: `home` starts what `up` starts, `hours` trades one market hour, `faults` draws
what goes wrong, `measuring` samples processes and files, `audit` compares the journal with the testnet's own
statements, `report` holds the bounds and says which are broken.
"""
