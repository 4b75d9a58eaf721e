"""Nodes of a trie as bytes (Yellow Paper, appendices C and D): made, and taken apart."""

import re
from collections.abc import Callable
from struct import Struct
from typing import cast

from zevm.storage.errors import CorruptionError
from zevm.storage.primitives import TrieKey
from zevm.storage.rlp import encode_bytes, wrap_list

BLANK = b"\x80"
LEAF_FLAG = ("20", "3")
EXTENSION_FLAG = ("00", "1")
# A branch of sixteen hashes has its item headers at every 33rd byte: one strided slice proves it.
FULL_BRANCH_SIZE = 3 + 16 * 33 + 1
FULL_BRANCH_HEADERS = b"\xa0" * 16 + BLANK
_unpack_full_branch = Struct("33s" * 16 + "s").unpack_from
# Most other branches hold hashes and gaps, so that each hash adds 32 bytes to the 17 of an empty one; that the lengths
# add up proves that nothing was skipped.
_find_hashes = re.compile(rb"\xa0.{32}|\x80", re.DOTALL).findall
_key_of = cast("Callable[[str], TrieKey]", bytes.fromhex)
_STRING_HEADER = tuple(bytes((0x80 + size,)) for size in range(56))


def encode_path(path: str, flag: tuple[str, str]) -> bytes:
    """The encoded first item of a leaf or extension (appendix C, hex prefix)."""
    return encode_bytes(bytes.fromhex(flag[len(path) & 1] + path))


def encode_extension(path: str, child: bytes) -> bytes:
    """An extension. path: hexadecimal digits. child: the encoded reference."""
    return wrap_list(encode_path(path, EXTENSION_FLAG) + child)


def encode_leaf(path: str, value: bytes) -> bytes:
    """A leaf. path: hexadecimal digits."""
    part = bytes.fromhex(("3" if len(path) & 1 else "20") + path)
    size = len(part)
    if 1 < size < 56:
        part = _STRING_HEADER[size] + part
    elif size > 1:
        part = encode_bytes(part)
    return wrap_list(part + encode_bytes(value))


def read_path(item: bytes) -> tuple[str, bool]:
    """The digits of a leaf's or extension's path, and whether it is a leaf. Raises CorruptionError."""
    text = payload_of(item).hex()
    flag = text[:1]
    if flag == "2" or (flag == "0" and len(text) > 2):
        return text[2:], flag == "2"
    if flag == "3" or flag == "1":
        return text[1:], flag == "3"
    if flag == "0":
        raise CorruptionError("trie node is an extension without a path, which may lead to itself")
    raise CorruptionError(f"trie node has a path with the unknown flag {flag!r}")


def key_of(path: str) -> TrieKey:
    """The key at a path of hexadecimal digits. Raises CorruptionError."""
    if len(path) & 1:
        raise CorruptionError(f"trie has a value at the odd path {path}")
    return _key_of(path)


def payload_of(item: bytes) -> bytes:
    """The bytes of an encoded string."""
    prefix = item[0]
    if prefix < 0x80:
        return item
    if prefix < 0xB8:
        return item[1:]
    return item[1 + prefix - 0xB7 :]


def decode_node(raw: bytes) -> list[bytes]:
    """The encoded items of a node: 17 of a branch, 2 of a leaf or extension."""
    size = len(raw)
    if size == FULL_BRANCH_SIZE and raw[3::33] == FULL_BRANCH_HEADERS:
        return list(_unpack_full_branch(raw, 3))
    try:
        return _split(raw, size)
    except IndexError:
        raise CorruptionError(f"{size} bytes are not a trie node") from None


def _split(raw: bytes, size: int) -> list[bytes]:
    prefix = raw[0]
    position = 1 if prefix < 0xF8 else prefix - 0xF6
    payload_size = prefix - 0xC0 if prefix < 0xF8 else int.from_bytes(raw[1:position], "big")
    if position + payload_size != size:
        raise IndexError
    if (payload_size - 17) & 31 == 0 and (raw[position] == 0x80 or raw[position] == 0xA0):
        items = _find_hashes(raw, position)
        if len(items) == 17 and payload_size == 17 * 33 - 32 * items.count(BLANK):
            return items
    items = []
    while position < size:
        prefix = raw[position]
        if prefix == 0xA0:
            end = position + 33
        elif prefix <= 0x80:
            end = position + 1
        elif prefix < 0xB8:
            end = position + prefix - 0x7F
        elif prefix < 0xC0:
            end = position + prefix - 0xB6 + int.from_bytes(raw[position + 1 : position + prefix - 0xB6], "big")
        else:
            end = position + prefix - 0xBF
        items.append(raw[position:end])
        position = end
    if position != size or (len(items) != 17 and len(items) != 2):
        raise IndexError
    return items
