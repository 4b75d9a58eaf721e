"""The state file of `--load-state`, `--dump-state` and `--state`: read before the node listens, written as it stops."""

import asyncio
import logging
import os
from contextlib import suppress
from pathlib import Path

from zevm.chain.concurrency.steps import Steps, Turn
from zevm.node.errors import NodeError
from zevm.node.settings import NodeSettings
from zevm.rpc.errors import RpcError
from zevm.rpc.methods.dev.state import read_state_file, state_texts, take_over
from zevm.rpc.services import Services

LOGGER = logging.getLogger("zevm.node")
FILE_IN_FOLDER = "state.json"
"""Anvil's name of the file if a folder is given."""


def load_path(settings: NodeSettings) -> Path | None:
    """The file to begin with; None if none is named, or --state names a file that does not exist yet."""
    if settings.state is not None:
        file = _in_folder(settings.state)
        return file if file.exists() else None
    return None if settings.load_state is None else _in_folder(settings.load_state)


def dump_path(settings: NodeSettings) -> Path | None:
    """The file to write, or None."""
    named = settings.dump_state or settings.state
    return None if named is None else _in_folder(named)


def _in_folder(named: Path) -> Path:
    return named / FILE_IN_FOLDER if named.is_dir() else named


class StateFile:
    """The state files of one running node, from its settings."""

    def __init__(self, settings: NodeSettings, services: Services) -> None:
        self._load, self._dump = load_path(settings), dump_path(settings)
        self._interval_seconds = settings.state_interval
        self._services = services

    def load(self, *, is_new: bool) -> None:
        """Load the file into a new chain; an existing chain continues without it. Raises NodeError."""
        if self._load is None:
            return
        if is_new:
            load_state(self._services, self._load)
            return
        LOGGER.warning(
            "%s is not loaded: the data directory holds a chain already, which continues from block %d; "
            "to start with the file, omit --datadir or choose another one",
            self._load,
            self._services.chain.head.number,
        )

    async def keep_until(self, stopping: asyncio.Event) -> None:
        """Write the file at every interval until the event is set. A failure is logged and retried."""
        while self._dump is not None and self._interval_seconds is not None and not stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self._interval_seconds)
            if not stopping.is_set():
                try:
                    await asyncio.wrap_future(
                        self._services.chain.writer.submit(dump_state, self._services, self._dump)
                    )
                except NodeError as error:
                    LOGGER.error("%s", error)
        await stopping.wait()

    def dump(self) -> None:
        """Write the file, if one is configured. Raises NodeError."""
        if self._dump is not None:
            self._services.chain.writer.submit(dump_state, self._services, self._dump).result()


def load_state(services: Services, file: Path) -> None:
    """Load the chain of a state file. Raises NodeError, which names the file."""
    try:
        size, limit = file.stat().st_size, services.limits.state_file_bytes
        if size > limit:
            raise NodeError(f"{file}: has {size} bytes, want at most {limit}; raise --rpc-state-file-bytes")
        saved = read_state_file(services, file.read_bytes())
        services.chain.writer.run(take_over, services, saved)
    except OSError as error:
        raise NodeError(f"{file}: cannot be read: {error.strerror}") from error
    except RpcError as error:
        raise NodeError(f"{file}: {error.message}") from error


def dump_state(services: Services, file: Path) -> Steps[None]:
    """Write the chain into a state file, in parts on the writer thread; the file is replaced as a whole.

    Raises NodeError; the file is what it was before then.
    """
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        with unfinished.open("wb") as stream:
            turn = Turn()
            for text in state_texts(services):
                stream.write(text)
                if turn.is_over:
                    yield
                    turn = Turn()
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(file)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise NodeError(f"{file}: the state cannot be written: {error.strerror}") from error
