"""From a body's bytes to an answer's bytes: JSON-RPC 2.0 for every transport, and the error for each exception."""
