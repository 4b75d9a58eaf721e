"""`zevm contract abi` and `inspect`: what a built contract is."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from zevm.analysis.printable import printable
from zevm.chain.zvm.price_table import PRICE_TABLES
from zevm.contracts.artifact import Artifact
from zevm.node.commands.contract_options import HERE, OutOption, RootOption, project_of, told
from zevm.node.commands.wasm_options import JsonOption, ScheduleOption
from zevm.node.errors import NodeError

ContractArgument = Annotated[
    str | None, typer.Argument(metavar="[CONTRACT]", help="Name, or file; not needed if there is one contract.")
]


def abi(
    contract: ContractArgument = None, root: RootOption = HERE, out: OutOption = None, as_json: JsonOption = False
) -> None:
    """Print a contract's ABI: readable, as ethers, viem and cast take it, or with --json as compilers write it."""
    from zevm.contracts.calls import described

    with told():
        artifact = project_of(root, out).find(contract)
    if as_json:
        typer.echo(json.dumps(artifact.abi, indent=2))
        return
    if not artifact.abi:
        file = artifact.source.rpartition(".")[0] + ".abi.json"
        raise NodeError(f"{artifact.name} has no ABI: write one next to the source, as {file}")
    for entry in artifact.abi:
        typer.echo(printable(described(entry)))


FIELDS: dict[str, Callable[[Artifact], Any]] = {
    "abi": lambda artifact: artifact.abi,
    "bytecode": lambda artifact: "0x" + artifact.bytecode.hex(),
    "deployedBytecode": lambda artifact: "0x" + artifact.deployed_bytecode.hex(),
    "methodIdentifiers": lambda artifact: artifact.as_json()["methodIdentifiers"],
    "storageLayout": lambda artifact: artifact.storage_layout,
    "metadata": lambda artifact: artifact.metadata,
    "module": lambda artifact: None if artifact.module is None else "0x" + artifact.module.hex(),
}
"""Parts of an artifact that `inspect` prints alone, with forge's names."""


def inspect(
    contract: ContractArgument = None,
    field: Annotated[
        str | None, typer.Argument(metavar="[FIELD]", help=f"Print this part alone: {', '.join(FIELDS)}.")
    ] = None,
    root: RootOption = HERE,
    out: OutOption = None,
    schedule: ScheduleOption = "zvm",
) -> None:
    """Show a built contract: its functions, storage, size, imports and price."""
    if field is not None and field not in FIELDS:
        raise NodeError(f"{field}: there are {', '.join(FIELDS)}")
    with told():
        artifact = project_of(root, out).find(contract)
    if field is not None:
        value = FIELDS[field](artifact)
        typer.echo(value if isinstance(value, str) else json.dumps(value, indent=2))
        return
    typer.echo(printable(f"{artifact.source}:{artifact.name}, {artifact.language}"))
    typer.echo(f"{len(artifact.deployed_bytecode):,} bytes stored, {len(artifact.bytecode):,} bytes of creation code")
    _print_functions(artifact)
    _print_storage(artifact)
    if artifact.module is not None:
        from zevm.node.commands.wasm import print_module

        print_module(artifact.module, artifact.bytecode, PRICE_TABLES[schedule])


def _print_functions(artifact: Artifact) -> None:
    from zevm.contracts.calls import described, selector_of
    from zevm.node.commands.tables import print_table

    def row(entry: dict[str, Any]) -> tuple[str, str]:
        return selector_of(entry).hex() if entry["type"] == "function" else "", printable(described(entry))

    if artifact.abi:
        print_table(("selector", "ABI"), map(row, artifact.abi))


def _print_storage(artifact: Artifact) -> None:
    from zevm.node.commands.tables import print_table

    layout = artifact.storage_layout or {}

    def row(item: dict[str, Any]) -> tuple[str, ...]:
        kind = layout["types"][item["type"]]
        place = str(item["slot"]), str(item["offset"]), kind["numberOfBytes"]
        return *place, printable(item["label"]), printable(kind["label"])

    if layout.get("storage"):
        print_table(("slot", "offset", "bytes", "name", "type"), map(row, layout["storage"]))
