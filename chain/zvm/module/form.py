"""How the code of a WebAssembly contract begins, as a module or compressed, and what may follow it in a creation."""

MAGIC = b"\0asm"
"""Of a module, or a component, of any version: all but version 1 are refused, none is taken for EVM code."""
COMPRESSED_PREFIX = b"\xef\xf0\x00"
"""Stylus' discriminant; the number of a dictionary follows, and what Brotli made of the module."""

CONSTRUCTOR_SELECTOR = bytes.fromhex("5585258d")
"""keccak256("stylus_constructor()")[:4]: what precedes a constructor's arguments."""

CONSTRUCTOR_MARKER = b"\0\x10\x0fzvm.constructor"
"""The empty custom section `zvm.constructor`. Behind a module, raw or compressed, it says that the rest of the creation
data is the constructor's ABI-encoded arguments; neither is stored."""
