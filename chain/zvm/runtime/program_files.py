"""Compiled programs on disk: one file each, written atomically, believed only with its checksum.

File: magic, key (32 bytes), header (`_HEADER`: optimised, initial pages, data bytes, activation gas, sizes of the two
parts), instrumented module, machine code, SHA-256 of all before it. The key is the keccak of everything that the
machine code depends on, so a file under another name, of another version or of other settings is not taken for it.
"""

import contextlib
import hashlib
import logging
import os
import platform
import stat
import struct
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zevm.chain.zvm.runtime import capi
from zevm.chain.zvm.runtime.engine import SETTINGS, Program
from zevm.storage.keccak import keccak256

DISK_LIMIT_BYTES = 1 << 30
"""Sum of the files; those used longest ago go when it is passed."""

_MAGIC = b"zvmcode3"
_HEADER = struct.Struct(">BIIIII")
_CHECKSUM_BYTES = 32
_SUFFIX = ".zvmcode"
_PARTIAL = ".partial"
_PRUNE_EVERY = 64

LOGGER = logging.getLogger("zevm.zvm")


@dataclass(frozen=True, slots=True)
class StoredProgram:
    """A file's content. code: machine code. The rest is as in `chain.zvm.module.prepare.Prepared`."""

    instrumented: bytes
    initial_pages: int
    data_bytes: int
    activation_gas: int
    optimised: bool
    code: bytes


class ProgramFiles:
    """The files of one directory. Faults of the disk cost time, never a program: they are logged and passed over."""

    def __init__(self, directory: Path, variant: str) -> None:
        self._directory = directory
        self._configuration = configuration(variant)
        self._writes = 0
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in directory.glob("*" + _PARTIAL):
                left.unlink(missing_ok=True)
        except OSError as error:
            LOGGER.warning("compiled programs cannot be kept in %s: %s", directory, error)

    def path(self, code_hash: bytes) -> Path:
        """The path of this stored code's program."""
        return self._directory / (self._key(code_hash).hex() + _SUFFIX)

    def read(self, code_hash: bytes) -> StoredProgram | None:
        """The stored program of this code; None if there is none, or it is damaged."""
        path = self.path(code_hash)
        try:
            content = _read_own(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            LOGGER.warning("compiled program %s cannot be read and is compiled again: %s", path, error)
            return None
        stored = _decode(self._key(code_hash), content)
        if stored is None:
            LOGGER.warning("compiled program %s is damaged and compiled again", path)
        else:
            _touch(path)
        return stored

    def write(self, code_hash: bytes, program: Program, in_use: Sequence[bytes] = ()) -> None:
        """Store a program, replacing the previous one of its code.

        in_use: stored code whose programs are in memory, those used last at the end; their files are the last to go.
        """
        content = _encode(self._key(code_hash), program)
        try:
            self._replace(self.path(code_hash), content)
            if self._writes % _PRUNE_EVERY == 0:
                self._prune(in_use)
            self._writes += 1
        except OSError as error:
            LOGGER.warning("a compiled program cannot be kept in %s: %s", self._directory, error)

    def _key(self, code_hash: bytes) -> bytes:
        return keccak256(code_hash + self._configuration)

    def _replace(self, path: Path, content: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=self._directory, suffix=_PARTIAL)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise

    def _prune(self, in_use: Sequence[bytes]) -> None:
        """Delete the files beyond the limit, from the one used longest ago."""
        for order, code_hash in enumerate(in_use):
            _touch(self.path(code_hash), order)
        files = [(item.stat(), item.path) for item in os.scandir(self._directory) if item.name.endswith(_SUFFIX)]
        files.sort(key=lambda file: file[0].st_mtime_ns, reverse=True)
        total = 0
        for status, path in files:
            total += status.st_size
            if total > DISK_LIMIT_BYTES:
                os.unlink(path)


def _touch(path: Path, order: int = 0) -> None:
    """Note that the file is used: its time of change is that of its last use, later for a higher `order`."""
    with contextlib.suppress(OSError):
        now = time.time_ns() + order
        os.utime(path, ns=(now, now))


def file_sizes(directory: Path) -> list[int]:
    """The bytes of each compiled program in a directory; none where there is no directory yet. Raises OSError."""
    try:
        return [item.stat().st_size for item in os.scandir(directory) if item.name.endswith(_SUFFIX)]
    except FileNotFoundError:
        return []


def sources() -> list[Path]:
    """The source files of the WebAssembly machine, sorted: they decide how code is checked, instrumented and run."""
    return sorted(Path(__file__).parents[1].rglob("*.py"))


def configuration(variant: str) -> bytes:
    """Digest of all that compiled code depends on besides the stored code: among it the machine's source.

    variant: the prices.
    """
    parts = [capi.VERSION, platform.machine(), platform.system(), repr(sorted(SETTINGS.items())), variant]
    digests = [keccak256(part.encode()) for part in parts] + [keccak256(source.read_bytes()) for source in sources()]
    return keccak256(b"".join(digests))


def _encode(key: bytes, program: Program) -> bytes:
    code = program.serialise()
    sizes = len(program.instrumented), len(code)
    prices = program.initial_pages, program.data_bytes, program.activation_gas
    header = _HEADER.pack(program.optimised, *prices, *sizes)
    content = b"".join((_MAGIC, key, header, program.instrumented, code))
    return content + hashlib.sha256(content).digest()


def _decode(key: bytes, content: bytes) -> StoredProgram | None:
    start = len(_MAGIC) + len(key)
    body, checksum = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
    if body[:start] != _MAGIC + key or hashlib.sha256(body).digest() != checksum:
        return None
    optimised, initial_pages, data_bytes, activation_gas, module_size, _ = _HEADER.unpack_from(body, start)
    start += _HEADER.size
    end = start + module_size
    return StoredProgram(body[start:end], initial_pages, data_bytes, activation_gas, bool(optimised), body[end:])


def _read_own(path: Path) -> bytes:
    """A file's content, if this user alone may write it: machine code of others is not executed."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(f"others may write it: owner {status.st_uid}, mode {status.st_mode & 0o777:o}")
        return file.read()
