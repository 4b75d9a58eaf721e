"""GraphQL over HTTP (EIP-1767) at /graphql, over the same reads as JSON-RPC.

`endpoint` is all that a node loads when it starts; the library and the schema come with the first request.
"""
