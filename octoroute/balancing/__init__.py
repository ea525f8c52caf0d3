"""Which endpoint of a tier, now: eligibility, health, limits, queue, and the selection policies."""
