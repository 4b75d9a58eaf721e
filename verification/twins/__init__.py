"""Contracts in Zig against their twins in Solidity."""
