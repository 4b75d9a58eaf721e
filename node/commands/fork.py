"""`zevm fork`: what forks have read, for machines without a network."""

from pathlib import Path
from typing import Annotated

import typer

from zevm.node.commands.chosen_settings import settings_of
from zevm.node.commands.options import ConfigOption

app = typer.Typer(help="Pack what forks of a live chain have read; the fork must not be running.", no_args_is_help=True)


@app.callback()
def _of_forks() -> None:
    """Be a group, though of one command."""


@app.command("pack")
def pack(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Output file, for `zevm run --fork-bundle FILE`.")],
    fork_url: Annotated[str, typer.Option("--fork-url", metavar="URL[@BLOCK],...", help="As that of the fork.")],
    fork_block_number: Annotated[
        str | None, typer.Option("--fork-block-number", metavar="NUMBER|TAG", help="As that of the fork.")
    ] = None,
    fork_transaction_hash: Annotated[
        str | None, typer.Option("--fork-transaction-hash", metavar="HASH", help="As that of the fork.")
    ] = None,
    fork_verify: Annotated[
        str | None, typer.Option("--fork-verify", metavar="proofs|headers|none", help="As that of the fork.")
    ] = None,
    fork_cache: Annotated[
        Path | None, typer.Option("--fork-cache", metavar="FOLDER", help="As that of the fork.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write all that forks of a block have read into one file, which needs no network."""
    from zevm.node.origin.start import pack as write

    settings = settings_of(
        None,
        config,
        fork_url=fork_url,
        fork_block_number=fork_block_number,
        fork_transaction_hash=fork_transaction_hash,
        fork_verify=fork_verify,
        fork_cache=None if fork_cache is None else str(fork_cache),
    )
    block, count = write(settings, file)
    typer.echo(f"{file}: {count} answers on block {block.header.number} of chain {block.chain_id}")
