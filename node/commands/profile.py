"""`zevm profile`: gas and time of a transaction or a call, as tables, for speedscope, or as a flame graph."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from zevm.analysis.printable import printable
from zevm.node.commands.contract_options import HERE, OutOption, RootOption, project_of
from zevm.node.commands.names import address_of
from zevm.node.commands.wasm_call import block_reference
from zevm.node.commands.wasm_options import (
    FromOption,
    GasLimitOption,
    JsonOption,
    PortOption,
    RpcOption,
    ValueOption,
    client_of,
)
from zevm.node.errors import NodeError, reason_of

_HASH = re.compile(r"0x[0-9a-fA-F]{64}\Z")
_MOST_ROWS = 10_000
_PIPED_WIDTH = 200
"""Columns of a table that no terminal shows."""


def profile(
    transaction: Annotated[
        str | None, typer.Argument(metavar="TX", help="Hash of a mined transaction; none with --call.")
    ] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FUNCTION ARGS]...", help="With --call: what `zevm contract call` takes."),
    ] = None,
    call: Annotated[
        str | None, typer.Option("--call", metavar="CONTRACT", help="Profile a call: a name, as Token, or an address.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="HEX", help="Call data, in place of FUNCTION ARGS.")
    ] = None,
    block: Annotated[
        str | None,
        typer.Option("--block", metavar="BLOCK", help="Block of a call: number, tag or hash. (default: latest)"),
    ] = None,
    root: RootOption = HERE,
    out: OutOption = None,
    sender: FromOption = None,
    value: ValueOption = 0,
    gas_limit: GasLimitOption = None,
    by: Annotated[Literal["gas", "time"], typer.Option("--by", help="Unit of the flame graph.")] = "gas",
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Write a flame graph.")] = None,
    speedscope: Annotated[
        Path | None,
        typer.Option("--speedscope", metavar="FILE", help="Write a profile for https://www.speedscope.app."),
    ] = None,
    rows: Annotated[
        int, typer.Option("--rows", metavar="NUMBER", min=1, max=_MOST_ROWS, help="Maximum rows of each table.")
    ] = 15,
    as_json: JsonOption = False,
    rpc: RpcOption = None,
    port: PortOption = None,
) -> None:
    """Execute a transaction or a call again on the node, and show where its gas and time went.

    Contracts, functions and lines have names if the node knows the artifacts: `zevm run --artifacts out`.
    """
    words = [*([] if transaction is None else [transaction]), *(arguments or [])]
    client = client_of(rpc, port)
    if call is None:
        of_calls = {"--data": data, "--block": block, "--from": sender, "--value": value or None}
        parameters: list[Any] = [_transaction_hash(words, of_calls | {"--gas-limit": gas_limit})]
    else:
        from zevm.node.commands.profile_call import call_fields

        more = {"from": address_of(client, sender), "gas": None if gas_limit is None else hex(gas_limit)}
        fields = call_fields(client, project_of(root, out), call, words, data, more, value_wei=value)
        parameters = [fields, block_reference(block or "latest")]
    answer = client.call("zvm_profile", *parameters)
    stacks = _stacks(answer)
    _write_files(stacks, call or words[0], by, svg, speedscope)
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        _show(answer, stacks, rows)


def _write_files(
    stacks: Sequence[Any], title: str, by: Literal["gas", "time"], svg: Path | None, speedscope: Path | None
) -> None:
    """The files that were asked for. Raises NodeError."""
    if svg is not None:
        from zevm.analysis.profile.flame_graph import flame_graph

        _write(svg, flame_graph(stacks, f"{title} by {by}", by))
    if speedscope is not None:
        from zevm.analysis.profile.speedscope import speedscope_document

        _write(speedscope, json.dumps(speedscope_document(stacks, title)) + "\n")


def _transaction_hash(words: Sequence[str], options: Mapping[str, object]) -> str:
    """The hash. options: those of calls, None where not given. Raises NodeError."""
    if not words:
        raise NodeError("name a transaction's hash, or a call as --call CONTRACT 'balanceOf(address)' 0x...")
    if not _HASH.match(words[0]):
        raise NodeError(
            f"{words[0]}: not a transaction's hash (0x and 64 hex digits); a call begins with --call CONTRACT"
        )
    if len(words) > 1:
        raise NodeError(f"{words[1]}: only a call (--call CONTRACT) takes arguments")
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise NodeError(f"{', '.join(given)}: only of a call (--call CONTRACT), not of a mined transaction")
    return words[0]


def _stacks(answer: Any) -> list[Any]:
    """The nodes of an answer. Raises NodeError for an answer of another form."""
    from zevm.analysis.profile.stacks import stacks_of

    try:
        stacks = stacks_of(answer)
        wrong = [name for name in ("gasUsed", "refundGas") if not isinstance(answer[name], int)]
        if wrong or not stacks or "status" not in answer or "error" not in answer:
            raise ValueError(f"not an answer of zvm_profile: {', '.join(wrong) or 'status, error or nodes'}")
    except (ValueError, KeyError) as error:
        raise NodeError(str(error)) from None
    return stacks


def _write(path: Path, text: str) -> None:
    try:
        path.expanduser().write_text(text, encoding="utf-8")
    except OSError as error:
        raise NodeError(f"{path}: cannot be written: {reason_of(error)}") from None
    typer.echo(f"{path} is written", err=True)


def _show(answer: dict[str, Any], stacks: Sequence[Any], rows: int) -> None:
    """The tables."""
    from zevm.analysis.profile import stacks as sums

    outcome = "succeeded" if answer["status"] else printable(f"failed: {answer['error']}")
    before = stacks[0].self_gas
    typer.echo(
        f"{outcome}; gas used {answer['gasUsed']:,}: {stacks[0].gas - before:,.0f} by code, {before:,.0f} before it"
        f"{', ' + format(answer['refundGas'], ',') + ' refunded' if answer['refundGas'] else ''}; "
        f"{stacks[0].ns / 1e6:.3f} ms"
    )
    _table("contracts", sums.by_contract(stacks), rows, "calls")
    _table("functions", sums.by_function(stacks), rows, "calls", with_total=True)
    _table("opcodes and host calls", sums.by_operation(stacks), rows, "times")
    _table("lines", sums.by_line(answer), rows, "times")


def _table(title: str, found: Sequence[Any], rows: int, counted: str, *, with_total: bool = False) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if not found:
        return
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", overflow="fold")
    for name in ("gas", "%", "with calls", "ms", counted) if with_total else ("gas", "%", "ms", counted):
        table.add_column(name, justify="right")
    whole = sum(max(0.0, row.self_gas) for row in found) or 1
    for row in found[:rows]:
        name = f"{row.name} ({row.place})" if row.place not in ("", "opcode", "host") else row.name
        total = [f"{row.gas:,.0f}"] if with_total else []
        numbers = [f"{row.self_gas:,.0f}", f"{100 * row.self_gas / whole:.1f}", *total, f"{row.self_ns / 1e6:.3f}"]
        table.add_row(escape(printable(name)), *numbers, f"{row.count:,}")
    console = Console() if sys.stdout.isatty() else Console(width=_PIPED_WIDTH)
    console.print(table)
    if len(found) > rows:
        console.print(f"{len(found) - rows:,} more; --rows shows them")
