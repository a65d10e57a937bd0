"""What every layer shares: values, table schemas, venue terms, the settlement clock and errors.

Nothing here reads a file, a clock or the environment, with one exception: `venue_terms` reads the
defaults shipped inside the package.
"""
