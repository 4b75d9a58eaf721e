"""Private proof-of-stake networks: zEVM nodes, each driven by a Lodestar of its own."""
