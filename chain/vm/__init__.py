"""Execution: the one adapter to py-evm, and what it lacks of the newer forks."""
