"""GraphQL over HTTP (EIP-1767) at /graphql, over the same reads as JSON-RPC.

A node loads only `endpoint` at start; the first request loads the library and the schema.
"""
