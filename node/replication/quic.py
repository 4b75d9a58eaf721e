"""Links of QUIC (ALPN `zvm-sync/1`). Imports the extra `quic`."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from zevm.node.replication.frames import RefusedError
from zevm.node.replication.quic_stream import QuicStream
from zevm.node.replication.stream import Dial, Link, Stream
from zevm.rpc.transport.quic.client import AuthorityFileError, ClientConnection, Trust, connect
from zevm.rpc.transport.quic.options import QuicError
from zevm.rpc.transport.quic.protocols import REPLICATION
from zevm.storage.directory import PINS_NAME
from zevm.storage.private_files import write_private

IDLE_SECONDS = 12.0
"""Either side takes a link for ended after this long without a packet; until then a killed follower counts."""
PING_SECONDS = 3.0
"""Interval of pings, so that a link outlives the execution of a long batch, and some lost packets."""


class _QuicLink:
    """A connection of QUIC."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def open(self) -> Stream:
        """See Link."""
        return QuicStream(self._connection.open_stream(), self._connection)


class Pins:
    """The keys of leaders, noted at the first connection to each address, as ssh does it.

    folder: where they are kept; None keeps them in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = None if folder is None else folder / PINS_NAME
        self._keys: dict[str, str] = {}

    def check(self, address: str, key_hash: bytes) -> None:
        """Note the key of an address that is new. Raises RefusedError if it is another one than before."""
        known = self._read()
        pinned = known.get(address)
        if pinned is None or (pinned == key_hash.hex() and not self._is_kept):
            self._write({**known, address: key_hash.hex()})
        elif pinned != key_hash.hex():
            where = "" if self._file is None else f"; if it was renewed, delete {self._file}"
            raise RefusedError(f"{address} has the key 0x{key_hash.hex()}, and before it had 0x{pinned}{where}")

    @property
    def _is_kept(self) -> bool:
        """Whether nothing is left to write: the folder may have come after the first connection."""
        return self._file is None or self._file.exists() or not self._file.parent.exists()

    def _read(self) -> dict[str, str]:
        if self._file is None or not self._file.exists():
            return self._keys
        try:
            content = json.loads(self._file.read_text())
            if not isinstance(content, dict):
                raise ValueError("it holds no JSON object")
        except (OSError, ValueError) as error:
            raise RefusedError(f"{self._file} cannot be read: {error}; delete it to trust the leader again") from None
        return content

    def _write(self, keys: dict[str, str]) -> None:
        self._keys = keys
        if self._file is not None and self._file.parent.exists():
            # a start that is killed here leaves the keys of before, not half a file
            write_private(self._file, json.dumps(keys, indent=2, sort_keys=True).encode() + b"\n")


def quic_dial(address: str, authority: Path | None, folder: Path | None, *, allow_classical: bool) -> Dial:
    """The way to a leader. authority: of its certificate; None trusts the key of the first connection."""
    host, _, port = address.rpartition(":")
    pins = Pins(folder)
    trust = Trust(authority=authority, is_first_use=authority is None)

    @asynccontextmanager
    async def dial() -> AsyncIterator[Link]:
        try:
            async with connect(
                host.strip("[]"),
                int(port),
                alpn=REPLICATION,
                trust=trust,
                idle_seconds=IDLE_SECONDS,
                allow_classical=allow_classical,
            ) as connection:
                if authority is None:
                    pins.check(address, connection.server_key_hash)
                pinging = asyncio.create_task(_ping(connection))
                try:
                    yield _QuicLink(connection)
                finally:
                    pinging.cancel()
        except AuthorityFileError as error:
            raise RefusedError(f"--follow-ca {error}") from None
        except QuicError as error:
            raise OSError(str(error)) from error

    return dial


async def _ping(connection: ClientConnection) -> None:
    with suppress(OSError):
        while True:
            await asyncio.sleep(PING_SECONDS)
            await connection.ping()
