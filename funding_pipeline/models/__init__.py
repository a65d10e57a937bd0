"""Layer 3: forecasts of funding, market regimes, anomalies, and how good the forecasts were."""
