"""The name resolver's port: names of this chain, and of another resolver, over HTTP."""
