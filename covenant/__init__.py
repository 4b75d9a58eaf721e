"""The Covenant VM: contracts in this process, without a chain or a server."""
