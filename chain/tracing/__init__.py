"""Tracers of transactions and calls, with geth's names and results, and the replay that they watch."""
