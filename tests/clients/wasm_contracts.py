"""WebAssembly contracts for the client tests: compiled modules, and what deploys them."""

from __future__ import annotations

from typing import Any

import brotli
from eth_abi.abi import encode

from testing.contracts import CONTRACTS, module_of
from zevm.chain.zvm.module.creation import constructor_payload, creation_data
from zevm.chain.zvm.module.form import COMPRESSED_PREFIX

FORMS = ("raw", "compressed", "returned raw", "returned compressed")
"""How a transaction may carry a module: as it is, or returned by EVM creation code, each also compressed."""


def compile_module(source: str) -> bytes:
    """The module of a source under contracts/."""
    return module_of(CONTRACTS / source)


def returning(code: bytes) -> bytes:
    """EVM creation code that returns `code`, in the 43 bytes that Stylus' tools send before it."""
    return b"\x7f" + len(code).to_bytes(32, "big") + bytes.fromhex("80602b6000396000f300") + code


def creation(module: bytes, *arguments: int, form: str = "raw") -> bytes:
    """Creation data in one of FORMS, with uint256 arguments for the constructor, which none of them leaves out."""
    payload = constructor_payload(encode(["uint256"] * len(arguments), arguments)) if arguments else None
    data = creation_data(module, payload, compress=form.endswith("compressed"))
    return returning(data) if form.startswith("returned") else data


def stored(module: bytes, data: bytes) -> bytes:
    """What the chain keeps of creation data: the compressed form as it came, else the module without its section."""
    start = data.find(COMPRESSED_PREFIX)
    if start < 0:
        return module
    body = start + len(COMPRESSED_PREFIX) + 1  # the byte after the prefix names the dictionary: none
    assert brotli.decompress(data[body:]).startswith(module)
    return data[start:]


def without_constructor(abi: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ABI for tools that would append a constructor's arguments to the code."""
    return [entry for entry in abi if entry["type"] != "constructor"]
