"""MLflow: what was tried, with which data, and the registered models."""
