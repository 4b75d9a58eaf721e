"""Contracts in Zig and their twins in Solidity, driven through JSON-RPC and compared."""
