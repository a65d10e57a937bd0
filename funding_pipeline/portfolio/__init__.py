"""From forecasts to a plan: costs, risk, limits, the optimiser and the reasons for each leg.

Pure: frames and arrays in, values out. What does not live here: orders (execution), profit and loss
(validation), and anything that reads a clock or a file.
"""
