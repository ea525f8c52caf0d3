"""Which tier answers a request: the operator's rules, the routing strategies, and the learned difficulty score."""
