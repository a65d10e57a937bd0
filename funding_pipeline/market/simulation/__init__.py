"""The simulated market's model: latent crowd, premiums, funding, prices, books, trades, open interest."""
