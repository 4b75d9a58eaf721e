"""Chains that a consensus client drives: kills of either program, and nodes that were away."""
