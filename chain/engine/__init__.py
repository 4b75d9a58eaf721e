"""The Engine API's side of the chain: payloads from a consensus client, fork choice, and payload building."""
