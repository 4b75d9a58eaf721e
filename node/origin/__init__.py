"""The chain beneath a fork, over the JSON-RPC of a node that has it."""
