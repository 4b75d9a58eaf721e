"""Logs of recent blocks as JSON, kept from one search to the next.

They are named by their block's hash: what a reorganisation or a revert has removed, no search finds.
"""

import threading
from collections.abc import Callable, Iterable

from zevm.chain.canonical.log_records import RECENT_BLOCKS, LogRecord

LARGE_SHARE = 16
"""A log of more than this part of the limit is not kept."""

Key = tuple[bytes, int]
"""A block's hash, and a log's index in the block."""


class EncodedLogs:
    """A number of bytes: the oldest go first. For any thread. encode: makes the JSON of a log.

    held_bytes: of the logs that are kept.
    """

    def __init__(self, limit_bytes: int, encode: Callable[[LogRecord], bytes]) -> None:
        self._half_bytes = limit_bytes // 2
        self._large_bytes = limit_bytes // LARGE_SHARE
        self._encode = encode
        self._lock = threading.Lock()
        self._young: dict[Key, bytes] = {}
        self._old: dict[Key, bytes] = {}
        self._young_bytes = self._old_bytes = 0

    @property
    def held_bytes(self) -> int:
        """Bytes of the kept logs."""
        return self._young_bytes + self._old_bytes

    def all_encoded(self, records: Iterable[LogRecord], head_number: int) -> list[bytes]:
        """Found logs as JSON. head_number: of the chain that was searched."""
        young, encoded = self._young, self.encoded
        return [young.get((record.block_hash, record.log_index)) or encoded(record, head_number) for record in records]

    def encoded(self, record: LogRecord, head_number: int) -> bytes:
        """A found log as JSON. head_number: of the chain that was searched."""
        # a search through old blocks displaces nothing of the recent ones
        if head_number - record.block_number >= RECENT_BLOCKS:
            return self._encode(record)
        key = (record.block_hash, record.log_index)
        known = self._young.get(key)
        if known is not None:
            return known
        known = self._old.get(key) or self._encode(record)
        if len(known) <= self._large_bytes:
            self._keep(key, known)
        return known

    def _keep(self, key: Key, log: bytes) -> None:
        with self._lock:
            if key in self._young:
                return
            if self._young_bytes + len(log) > self._half_bytes:
                self._old, self._old_bytes = self._young, self._young_bytes
                self._young, self._young_bytes = {}, 0
            self._young[key] = log
            self._young_bytes += len(log)
