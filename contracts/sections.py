"""Custom sections of a module: data next to its code, by compilers and builds, that the chain does not read."""

import json
from collections.abc import Iterator
from typing import Any

import orjson

from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.module.binary import MAGIC, Reader, unsigned

ABI_SECTION = "zvm.abi"
"""Compact JSON: {"abi": the ABI as solc has it, "name": the contract's}."""


def sections(module: bytes) -> Iterator[tuple[int, bytes]]:
    """(identifier, content) of each section. Raises ModuleRefusedError."""
    if module[: len(MAGIC)] != MAGIC:
        raise ModuleRefusedError("magic", f"begins with {module[:8].hex() or 'nothing'}, a module with {MAGIC.hex()}")
    reader = Reader(module, len(MAGIC), len(module))
    while reader.position < len(module):
        identifier = reader.byte()
        yield identifier, reader.take(reader.unsigned())


def custom_sections(module: bytes) -> dict[str, bytes]:
    """Name -> content of the custom sections; of two of one name, the last. Raises ModuleRefusedError."""
    found = {}
    for identifier, content in sections(module):
        if identifier == 0:
            reader = Reader(content, 0, len(content))
            name = reader.name()
            found[name] = content[reader.position :]
    return found


def custom_section(name: str, content: bytes) -> bytes:
    """The bytes of a section, to stand behind a module's others."""
    encoded = name.encode()
    body = unsigned(len(encoded)) + encoded + content
    return b"\0" + unsigned(len(body)) + body


def with_abi(module: bytes, name: str, abi: list[dict[str, Any]]) -> bytes:
    """The module with its ABI behind it."""
    text = json.dumps({"abi": abi, "name": name}, separators=(",", ":"), sort_keys=True, ensure_ascii=True)
    return module + custom_section(ABI_SECTION, text.encode())


def abi_of(module: bytes) -> tuple[str, list[dict[str, Any]]] | None:
    """Name and ABI that a module carries; None where it carries none, or none that can be read."""
    try:
        content = custom_sections(module).get(ABI_SECTION)
        found = None if content is None else orjson.loads(content)
        return None if found is None else (str(found["name"]), list(found["abi"]))
    except (ModuleRefusedError, ValueError, KeyError, TypeError):
        return None
