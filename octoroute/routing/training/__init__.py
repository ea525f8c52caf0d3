"""Fitting and measuring the difficulty model. Offline: only the command line and the benchmarks import it."""
