"""The difficulty of a request: features, the shipped model, and thresholds. Pure."""
