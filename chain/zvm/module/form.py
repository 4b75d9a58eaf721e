"""How the code of a WebAssembly contract begins: as a module, or compressed."""

MAGIC = b"\0asm"
"""Of a module, or a component, of any version: all but version 1 are refused, none is taken for EVM code."""
COMPRESSED_PREFIX = b"\xef\xf0\x00"
"""Stylus' discriminant; the number of a dictionary follows, and what Brotli made of the module."""
