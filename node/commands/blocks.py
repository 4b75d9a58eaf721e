"""`zevm export` and `zevm import`: blocks as RLP, one after another, as geth writes them."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, BinaryIO, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zevm.chain.errors import ChainError
from zevm.node.commands.chosen_settings import settings_of
from zevm.node.commands.options import ConfigOption, DatadirOption
from zevm.node.errors import NodeError, reason_of
from zevm.node.hints import told
from zevm.storage.rlp import RlpError

SYNC_EVERY = 256
"""Imported blocks between two syncs; the last block is synced too."""

MAXIMUM_BLOCK_BYTES = 64 * 1024 * 1024
_READ_AHEAD_BYTES = 1 << 20


def export_blocks(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Output file; compressed if its name ends in .gz.")],
    first: Annotated[
        int | None, typer.Option("--first", metavar="NUMBER", min=0, help="First block. (default: the genesis)")
    ] = None,
    last: Annotated[
        int | None, typer.Option("--last", metavar="NUMBER", min=0, help="Last block. (default: the head)")
    ] = None,
    genesis_out: Annotated[
        Path | None, typer.Option("--genesis", metavar="FILE", help="Write the chain's genesis file too.")
    ] = None,
    datadir: DatadirOption = None,
    config: ConfigOption = None,
) -> None:
    """Write the chain's blocks to a file."""
    from zevm.node.block_import import range_of
    from zevm.node.network import existing_chain, write_genesis

    with existing_chain(settings_of(datadir, config)) as chain:
        numbers = range_of(chain, first, last)
        try:
            with _open_to_write(file) as stream, progress() as bar:
                for number in bar.track(numbers, description="exporting"):
                    block = chain.block_by_number(number)
                    if block is None:
                        raise NodeError(f"block {number} is missing; `zevm db check --deep` examines all")
                    stream.write(block.encode())
        except OSError as error:
            raise NodeError(f"{file}: cannot be written: {reason_of(error)}") from error
        if genesis_out is not None:
            write_genesis(chain.genesis, genesis_out)
    typer.echo(f"{file}: blocks {numbers.start} to {numbers.stop - 1}")


def import_blocks(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of blocks in RLP, or one compressed with gzip.")],
    genesis: Annotated[
        Path | None, typer.Option("--genesis", metavar="FILE", help="Genesis file, if there is no chain yet.")
    ] = None,
    development: Annotated[
        bool,
        typer.Option(
            "--development",
            help="Accept what only a development node makes: impersonated senders, gas limit jumps, equal times.",
        ),
    ] = False,
    datadir: DatadirOption = None,
    config: ConfigOption = None,
) -> None:
    """Verify, execute and store the blocks of a file."""
    from zevm.node.block_import import import_one, what_is_kept
    from zevm.node.network import chain_to_import_to

    settings = settings_of(datadir, config, init=None if genesis is None else str(genesis))
    with _open_to_read(file) as raw, chain_to_import_to(settings) as chain:
        before = chain.head.number
        try:
            with progress() as bar:
                task = bar.add_task("importing", total=file.stat().st_size)
                stream = gzip.GzipFile(fileobj=raw) if _is_gzip(raw) else raw
                for count, (item, is_last) in enumerate(_with_last(split_items(cast(BinaryIO, stream))), 1):
                    import_one(chain, item, sync=is_last or count % SYNC_EVERY == 0, development=development)
                    bar.update(task, completed=raw.tell())
        except (OSError, EOFError, RlpError, ChainError, NodeError) as error:
            raise NodeError(_refusal(file, error) + what_is_kept(chain, before)) from error
        typer.echo(f"imported {chain.head.number - before} blocks; the head is block {chain.head.number}")


def _refusal(file: Path, error: Exception) -> str:
    """Why an import ended."""
    if isinstance(error, RlpError):
        return f"{file}: not a file of blocks: {error}"
    if isinstance(error, OSError | EOFError):
        return f"{file}: cannot be read: {reason_of(error)}"
    return told(error)


def split_items(stream: BinaryIO) -> Iterator[bytes]:
    """The RLP lists of a stream, one at a time. Raises RlpError for anything else."""
    buffer = bytearray()
    position = 0
    while True:
        size = _item_size(buffer, position)
        if size is not None and len(buffer) - position >= size:
            yield bytes(buffer[position : position + size])
            position += size
            continue
        del buffer[:position]
        position = 0
        more = stream.read(max(_READ_AHEAD_BYTES, (size or 0) - len(buffer)))
        if not more:
            if buffer:
                raise RlpError("the last block is cut short")
            return
        buffer += more


@contextmanager
def _open_to_read(file: Path) -> Iterator[BinaryIO]:
    """A file to read; a missing file is reported before a chain is created for it. Raises NodeError."""
    try:
        stream = file.open("rb")
    except OSError as error:
        raise NodeError(f"{file}: cannot be read: {reason_of(error)}") from error
    with stream:
        yield stream


def _with_last(items: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each item, and whether it is the last one."""
    previous = next(items, None)
    for item in items:
        if previous is not None:
            yield previous, False
        previous = item
    if previous is not None:
        yield previous, True


def _item_size(buffer: bytearray, position: int) -> int | None:
    """Bytes of the list at a position with its header; None if the header is incomplete."""
    if position >= len(buffer):
        return None
    prefix = buffer[position]
    if prefix < 0xC0:
        raise RlpError("want a list, found a string")
    if prefix < 0xF8:
        return 1 + prefix - 0xC0
    length_size = prefix - 0xF7
    if position + 1 + length_size > len(buffer):
        return None
    size = int.from_bytes(buffer[position + 1 : position + 1 + length_size], "big")
    if size > MAXIMUM_BLOCK_BYTES:
        raise RlpError(f"a block of {size} bytes; want at most {MAXIMUM_BLOCK_BYTES}")
    return 1 + length_size + size


@contextmanager
def _open_to_write(file: Path) -> Iterator[IO[bytes]]:
    """A file to write, renamed into place once complete; a pipe or device is written directly."""
    in_place = file.exists() and not file.is_file()
    target = file if in_place else file.with_name(f".{file.name}.new")
    try:
        with target.open("wb") as raw:
            if file.suffix == ".gz":
                with gzip.GzipFile(file.name, "wb", compresslevel=6, fileobj=raw) as stream:
                    yield cast(IO[bytes], stream)
            else:
                yield raw
        if not in_place:
            target.replace(file)
    except BaseException:
        if not in_place:
            target.unlink(missing_ok=True)
        raise


def _is_gzip(raw: BinaryIO) -> bool:
    magic = raw.read(2)
    raw.seek(0)
    return magic == b"\x1f\x8b"


def progress() -> Progress:
    """A progress bar on standard error; nothing if that is not a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)
