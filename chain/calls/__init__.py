"""Executions off the chain: calls, estimates, bundles, simulations, access lists; overrides of state and block."""
