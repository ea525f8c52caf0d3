"""How hard a request is: features, the shipped model, and its thresholds. Pure."""
