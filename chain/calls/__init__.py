"""Executions off the chain: calls, estimates, bundles, simulations and access lists, with overrides of state and block."""
