"""Nonces of signed requests that were taken, kept in one file until they expire: a restart forgets none.

A process that is killed has written each one, but not synced it: what a machine's crash, or a move of the folder to
another machine, may lose is covered by a time. The file begins with the system's start that wrote it (its boot id, 16
bytes) and the least expiry that is taken (u64, seconds since 1970); then nonce (32 bytes) | expiry u64, each the hash
of signer and nonce. After another system's start, only requests that expire later than any taken before are taken.
"""

import os
import uuid
from collections.abc import Iterable
from pathlib import Path

from zevm.rpc.transport.quic.options import QuicError
from zevm.storage.private_files import write_private

KEY_BYTES, EXPIRY_BYTES = 32, 8
RECORD_BYTES = KEY_BYTES + EXPIRY_BYTES
_BOOT_BYTES = 16
_HEAD_BYTES = _BOOT_BYTES + EXPIRY_BYTES
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

Nonce = tuple[int, bytes]
"""Expiry (seconds since 1970), and hash of signer and nonce."""


class NoncesError(QuicError):
    """The file cannot be read or written."""


def boot_id() -> bytes:
    """The system's start (random(4)); empty where the system tells none, and then no start is like an earlier one."""
    try:
        return uuid.UUID(_BOOT_ID.read_text().strip()).bytes
    except (OSError, ValueError):
        return b""


class KeptNonces:
    """The file of one node. Used by one thread at a time.

    most: the file is written again when it has twice as many records. latest: the greatest expiry that may have been
    taken before, where the file tells nothing of it.
    """

    def __init__(self, file: Path, most: int, latest: int) -> None:
        """Raises NoncesError."""
        self._file = file
        self._most = most
        self._boot = boot_id()
        try:
            data = file.read_bytes() if file.exists() else b""
        except OSError as error:
            raise NoncesError(f"{file} cannot be read: {error.strerror}") from error
        body = data[_HEAD_BYTES:]
        whole = len(body) - len(body) % RECORD_BYTES
        self.nonces: list[Nonce] = [
            (int.from_bytes(body[at + KEY_BYTES : at + RECORD_BYTES], "big"), body[at : at + KEY_BYTES])
            for at in range(0, whole, RECORD_BYTES)
        ]
        """Those of the file, in the order of their coming; the expired ones among them."""
        is_ours = len(data) >= _HEAD_BYTES and self._boot != b"" and data[:_BOOT_BYTES] == self._boot
        self.least_expiry = int.from_bytes(data[_BOOT_BYTES:_HEAD_BYTES], "big") if is_ours else latest
        """Requests that do not expire later may have been taken before, and are not to be taken."""
        self._count = len(self.nonces)
        if not is_ours or whole < len(body):
            self.replace(self.nonces)

    def add(self, expiry: int, key: bytes, unexpired: Iterable[Nonce]) -> None:
        """Keep one more, before its request is taken. unexpired: all, this one too. Raises NoncesError."""
        if self._count >= 2 * self._most:
            self.replace(unexpired)
            return
        size = _HEAD_BYTES + self._count * RECORD_BYTES
        record = key + expiry.to_bytes(EXPIRY_BYTES, "big")
        try:
            with self._file.open("ab", buffering=0) as stream:
                written = stream.write(record)
                if written != len(record):
                    stream.truncate(size)
                    raise NoncesError(f"{self._file} takes no more bytes: the disk is full; free some space")
        except OSError as error:
            raise NoncesError(f"{self._file} cannot be written: {error.strerror}") from error
        self._count += 1

    def replace(self, nonces: Iterable[Nonce]) -> None:
        """Write the file again. Raises NoncesError."""
        records = [key + expiry.to_bytes(EXPIRY_BYTES, "big") for expiry, key in nonces]
        head = (self._boot or os.urandom(_BOOT_BYTES)) + self.least_expiry.to_bytes(EXPIRY_BYTES, "big")
        try:
            write_private(self._file, head + b"".join(records))
        except OSError as error:
            raise NoncesError(f"{self._file} cannot be written: {error.strerror}") from error
        self._count = len(records)
