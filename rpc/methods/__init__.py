"""The JSON-RPC methods, one module per topic; each registers its functions in the registry."""
