"""Ether and its parts in wei."""

GWEI = 10**9
ETHER = 10**18
