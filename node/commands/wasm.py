"""`zevm wasm`: inspect, validate, deploy and call WebAssembly contracts."""

from pathlib import Path
from typing import Annotated

import typer

from zevm.analysis.printable import printable
from zevm.chain.zvm.inspection import Inspection, deployment_price, inspect_module
from zevm.chain.zvm.price_table import PriceTable
from zevm.node.commands import wasm_call
from zevm.node.commands.module_file import constructor_arguments, module_to_deploy, read_module
from zevm.node.commands.names import Client
from zevm.node.commands.sending import PrivateKeyOption, send, tell_receipt, transaction_fields
from zevm.node.commands.wasm_options import (
    NEGATIVE_NUMBERS,
    FileArgument,
    FromOption,
    GasLimitOption,
    JsonOption,
    PortOption,
    RpcOption,
    ScheduleOption,
    ValueOption,
    client_of,
    price_table_of,
)

_TYPE_NAMES = {"i": "i32", "I": "i64"}

app = typer.Typer(help="WebAssembly contracts: inspect, validate, deploy, call.", no_args_is_help=True)
app.command("call", context_settings=NEGATIVE_NUMBERS)(wasm_call.call)


@app.command("inspect")
def inspect(file: FileArgument, schedule: ScheduleOption = "zvm") -> None:
    """Show what a module imports, exports and costs, or which rule it breaks. Exit with code 1 for a refused module."""
    code, prices = read_module(file), price_table_of(schedule)
    found = inspect_module(code, prices)
    typer.echo(printable(f"{file}: {_verdict(found)}"))
    _print_parts(found)
    if found.init_payload is not None:
        typer.echo(f"constructor: called with {len(found.init_payload)} bytes")
    if found.refusal is not None:
        raise typer.Exit(1)
    _print_price(code, prices)


def print_module(module: bytes, creation: bytes, prices: PriceTable) -> None:
    """Print a module's imports, exports and memory, and the price of its creation."""
    _print_parts(inspect_module(module, prices))
    _print_price(creation, prices)


def _verdict(found: Inspection) -> str:
    if found.refusal is None:
        return f"a contract, {'compressed' if found.compressed else 'raw'}"
    return found.refusal.message + ("; its functions can still be run" if found.library else "")


def _print_parts(found: Inspection) -> None:
    from zevm.node.commands.tables import print_table

    if found.imports:
        rows = (
            (f"{item.module}.{item.name}", _type(item.parameters, item.result), _ink(item.ink))
            for item in found.imports
        )
        print_table(("import", "type", "ink"), rows, numbers=("ink",))
    if found.exports:
        kinds = (
            _type(export.parameters, export.result) if export.kind == "function" else export.kind
            for export in found.exports
        )
        print_table(("export", "type"), zip((export.name for export in found.exports), kinds, strict=True))
    if found.memory is not None:
        initial, maximum = found.memory.initial_pages, found.memory.maximum_pages
        typer.echo(f"memory: {initial} to {maximum} pages of 64 KiB")


def _ink(ink: int | None) -> str:
    return "none such" if ink is None else f"{ink:,}"


def _print_price(code: bytes, prices: PriceTable) -> None:
    from zevm.chain.rules.forks import LATEST_FORK
    from zevm.chain.rules.schedule import ForkSchedule
    from zevm.node.commands.tables import print_table

    price = deployment_price(code, prices, ForkSchedule.default(1, LATEST_FORK).rules(0, 0))
    rows = {
        "transaction": price.intrinsic,
        "activation": price.activation,
        "stored bytes": price.deposit,
        "together, without a constructor": price.total,
        "by the guide's rule of thumb": price.estimate,
    }
    print_table(("deployment", "gas"), ((name, f"{gas:,}") for name, gas in rows.items()), numbers=("gas",))


def _type(parameters: str, result: str) -> str:
    names = [" ".join(_TYPE_NAMES[kind] for kind in part) or "none" for part in (parameters, result)]
    return " to ".join(names)


@app.command("validate")
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of modules.")],
    schedule: ScheduleOption = "zvm",
) -> None:
    """Check modules against the chain's rules. The exit code is 1 if one is refused."""
    prices, refused = price_table_of(schedule), 0
    for file in files:
        refusal = inspect_module(read_module(file), prices).refusal
        refused += refusal is not None
        typer.echo(f"{file}: {'valid' if refusal is None else refusal.message}")
    if refused:
        raise typer.Exit(1)


@app.command("deploy", context_settings=NEGATIVE_NUMBERS)
def deploy(
    file: FileArgument,
    values: Annotated[
        list[str] | None, typer.Argument(metavar="[VALUES]...", help="Arguments of the constructor.")
    ] = None,
    constructor: Annotated[
        str | None, typer.Option("--constructor", metavar="TYPES", help='As "uint256,address"; "" for none.')
    ] = None,
    no_constructor: Annotated[
        bool, typer.Option("--no-constructor", help="Deploy a module that has a constructor without running it.")
    ] = False,
    creation: Annotated[bool, typer.Option("--creation", help="Print only the creation data; needs no node.")] = False,
    compress: Annotated[
        bool, typer.Option("--compress/--no-compress", help="Store the module compressed if that is smaller.")
    ] = True,
    strip: Annotated[bool, typer.Option("--strip/--no-strip", help="Strip names and other custom sections.")] = True,
    rpc: RpcOption = None,
    port: PortOption = None,
    sender: FromOption = None,
    private_key: PrivateKeyOption = None,
    value: ValueOption = 0,
    gas_limit: GasLimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deploy a module from one of the node's accounts, or with a key; print address, transaction and gas."""
    from zevm.chain.zvm.module.creation import creation_data, stripped

    client = client_of(rpc, port)
    payload = None if no_constructor else _constructor_payload(file, constructor, values or [], client, value_wei=value)
    code = module_to_deploy(file)
    module = stripped(code) if strip else code
    data = _smallest(module, payload) if compress else creation_data(module, payload)
    if creation:
        typer.echo("0x" + data.hex())
        return
    fields = transaction_fields(data, value=value, gas_limit=gas_limit)
    tell_receipt(send(client, fields, sender, private_key), as_json=as_json)


def _constructor_payload(
    file: Path, types: str | None, values: list[str], names: Client, *, value_wei: int
) -> bytes | None:
    """The constructor's call data; None for no run. Raises NodeError."""
    from zevm.chain.zvm.module.creation import constructor_payload

    otherwise = "; --no-constructor deploys it as it is"
    arguments = constructor_arguments(file, types, values, names, value_wei=value_wei, otherwise=otherwise)
    return None if arguments is None else constructor_payload(arguments)


def _smallest(module: bytes, payload: bytes | None) -> bytes:
    """Creation data, compressed unless that is longer."""
    from zevm.chain.zvm.module.creation import creation_data

    return min(creation_data(module, payload, compress=True), creation_data(module, payload), key=len)
