"""Leases: amounts that are reserved in windows before they are used, and settled after. One contract, several backends."""
