"""Bundles: what forks of a block have read, in one file, for machines without a network (`zevm fork pack`).

gzip of:  "zevm fork 1\\n"  block  pair*  end
    block, end: a length (4 bytes, big-endian) and as many bytes; of the end, SHA-256 of all before it
    pair: key and value, each as a block is; in ascending order of the keys, which are those of node.origin.kept

A bundle proves itself as a node does: its header has its hash, nodes and code are found by theirs, blocks and receipts
are held against the roots of their headers. What no root commits to is looked at: numbers of blocks and places of
transactions that its own blocks do not bear out are left out, and so are read as missing.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import orjson

from zevm.chain.rules.schedule import ZVM_SCHEDULES
from zevm.chain.types import Header
from zevm.node.errors import NodeError, reason_of
from zevm.node.origin.bundle_check import BorneOut
from zevm.node.origin.fork import Verified
from zevm.node.origin.kept import RECORD_PREFIX, Kept, KeptBlock
from zevm.storage.errors import StorageError
from zevm.storage.keccak import keccak256
from zevm.storage.rlp import RlpError

_MAGIC = b"zevm fork 1\n"
_LENGTH_BYTES = 4
MOST_VALUE_BYTES = 64 * 1024 * 1024
"""As long as an answer of a node may be."""


class Bundle(NamedTuple):
    """verified: by what its answers were checked as they were read."""

    block: KeptBlock
    verified: Verified
    entries: Mapping[bytes, bytes]


class BundledKept(Kept):
    """The answers of a bundle, in memory; nothing is added."""

    def __init__(self, entries: Mapping[bytes, bytes]) -> None:
        super().__init__()
        self._entries = entries

    def record(self, key: bytes) -> bytes | None:
        """See Kept."""
        return self._entries.get(RECORD_PREFIX + key)

    def _hashed(self, prefix: bytes, digest: bytes) -> bytes | None:
        value = self._entries.get(prefix + digest)
        return value if value is not None and keccak256(value) == digest else None


def write_bundle(file: Path, block: KeptBlock, verified: Verified, pairs: Iterator[tuple[bytes, bytes]]) -> int:
    """Write a bundle of pairs in ascending order; their number. Raises NodeError, and leaves nothing half written."""
    stated = orjson.dumps(
        {
            "chainId": block.chain_id,
            "header": block.header.encode().hex(),
            "zvm": block.zvm,
            "features": block.features,
            "verified": verified.value,
        }
    )
    count, digest = 0, hashlib.sha256()
    fresh = file.with_name(file.name + ".new")
    try:
        # no time and no name in it: the same answers give the same file
        with fresh.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:

            def put(part: bytes) -> None:
                digest.update(part)
                packed.write(part)

            put(_MAGIC)
            put(_framed(stated))
            for key, value in pairs:
                put(_framed(key) + _framed(value))
                count += 1
            packed.write(_framed(digest.digest()))
        fresh.replace(file)
    except BaseException as error:
        with suppress(OSError):
            fresh.unlink()
        if isinstance(error, OSError):
            raise NodeError(f"{file}: cannot be written: {reason_of(error)}") from error
        if isinstance(error, StorageError):
            raise NodeError(f"the answers that are kept cannot be read: {error}") from error
        raise
    return count


def read_bundle(file: Path, most_bytes: int) -> Bundle:
    """A bundle of at most this many bytes when unpacked, with the entries that prove themselves. Raises NodeError."""
    try:
        with file.open("rb") as raw, gzip.GzipFile(fileobj=raw) as packed:
            parts = list(_Reading(cast("BinaryIO", packed), most_bytes).parts())
    except (OSError, EOFError, zlib.error) as error:
        raise NodeError(
            f"{file}: cannot be read: {reason_of(error) if isinstance(error, OSError) else error}"
        ) from error
    except ValueError as error:
        raise NodeError(f"{file} is no whole bundle of a fork: {error}") from error
    try:
        stated: dict[str, Any] = orjson.loads(parts[0])
        header = Header.decode(bytes.fromhex(stated["header"]))
        block = KeptBlock(int(stated["chainId"]), header, stated["zvm"], stated["features"])
        verified = Verified(stated["verified"])
        entries = dict(zip(parts[1::2], parts[2::2], strict=True))
        if block.zvm not in (None, *ZVM_SCHEDULES):
            raise ValueError(f"WebAssembly contracts at prices that are not known here: {block.zvm!r:.100}")
    except (ValueError, LookupError, TypeError, RlpError) as error:
        raise NodeError(f"{file} is no bundle of a fork that this version reads: {error}") from error
    return Bundle(block, verified, BorneOut(entries, header, checks_roots=verified is not Verified.NONE).entries())


def _framed(part: bytes) -> bytes:
    return len(part).to_bytes(_LENGTH_BYTES, "big") + part


class _Reading:
    """The parts of a bundle, one after another. Raises ValueError where it is not whole."""

    def __init__(self, packed: BinaryIO, most_bytes: int) -> None:
        self._packed = packed
        self._left = self._most = most_bytes
        self._digest = hashlib.sha256()

    def parts(self) -> Iterator[bytes]:
        """Those between the beginning and the end."""
        if self._take(len(_MAGIC)) != _MAGIC:
            raise ValueError("it begins otherwise")
        self._digest.update(_MAGIC)
        waiting: bytes | None = None
        while (part := self._next()) is not None:
            if waiting is not None:
                self._digest.update(_framed(waiting))
                yield waiting
            waiting = part
        if waiting != self._digest.digest():
            raise ValueError("its checksum is another")

    def _next(self) -> bytes | None:
        length = self._packed.read(_LENGTH_BYTES)
        if not length:
            return None
        size = int.from_bytes(length, "big")
        self._left -= size
        if size > MOST_VALUE_BYTES or self._left < 0:
            raise ValueError(f"it has more than {self._most} bytes (--rpc-fork-disk-bytes), or a value too many")
        return self._take(size)

    def _take(self, size: int) -> bytes:
        part = self._packed.read(size)
        if len(part) != size:
            raise ValueError("it ends too early")
        return part
