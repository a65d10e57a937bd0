"""Would it have made money: the ledger, the back-test, baselines and statistics.

Pure: tables and forecasts in, values out. The decision itself is `portfolio.plan_portfolio`, the
same function that runs live.
"""
