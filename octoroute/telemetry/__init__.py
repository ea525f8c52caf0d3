"""What happened: metrics, the access log, statistics, and the traffic log."""
