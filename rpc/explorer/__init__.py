"""The explorer: pages about the chain for browsers, made on workers from the reads that JSON-RPC's methods use."""
