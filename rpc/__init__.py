"""JSON-RPC: transports, dispatch, codec, errors, limits, and the methods by namespace."""
