"""How hard a request is, learned from labels: features, heads, training, and the proof. Pure: no sockets, no environment."""
