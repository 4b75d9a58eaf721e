"""Options that the commands of `zevm wasm` share, and their values."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from zevm.chain.zvm.price_table import PRICE_TABLES, PriceTable
from zevm.node.client import Client
from zevm.node.commands.options import node_url
from zevm.node.errors import NodeError

NEGATIVE_NUMBERS = {"ignore_unknown_options": True}
"""Settings of commands whose arguments may be negative numbers."""

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A module: .wasm, its compressed form, or its artifact.")
]
TargetArgument = Annotated[str, typer.Argument(metavar="FILE|ADDRESS", help="A module, or a contract of the node.")]
FunctionArgument = Annotated[
    str, typer.Argument(metavar="FUNCTION", help='"balanceOf(address)(uint256)", an export, or user_entrypoint.')
]
ValuesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[ARGS]...", help="Values for the signature; integers for an export.")
]
DataOption = Annotated[
    str | None, typer.Option("--data", metavar="HEX", help="Call data of the function, in place of ARGS.")
]
ShowGasOption = Annotated[bool, typer.Option("--gas", help="Also print the gas used.")]
ScheduleOption = Annotated[
    str, typer.Option("--schedule", metavar="NAME", help=f"Prices and page limits: {', '.join(PRICE_TABLES)}.")
]
RpcOption = Annotated[
    str | None,
    typer.Option("--rpc", metavar="URL", help="The node. (default: by --port, $ETH_RPC_URL, or 127.0.0.1:8545)"),
]
PortOption = Annotated[str | None, typer.Option("--port", "-p", metavar="NUMBER", help="Port of a local node.")]
FromOption = Annotated[str | None, typer.Option("--from", metavar="ADDRESS", help="The sender.")]
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\Z")
"""A contract in the place of a module's file."""


_AMOUNT = re.compile(r"(\d{1,78}(?:\.\d{1,18})?) ?(wei|gwei|ether|)", re.ASCII)
_WEI = {"": 1, "wei": 1, "gwei": 10**9, "ether": 10**18}


def wei_of(text: str | int) -> int:
    """Wei: `5`, `5gwei`, `1.5ether`. Raises typer.BadParameter."""
    found = _AMOUNT.fullmatch(str(text))
    wei = Fraction(found[1]) * _WEI[found[2]] if found else None
    if wei is None or wei.denominator != 1:
        raise typer.BadParameter(f"{text}: want whole wei, as 1000, 5gwei or 1.5ether")
    return wei.numerator


ValueOption = Annotated[
    int,
    typer.Option("--value", parser=wei_of, metavar="WEI", help="Wei sent with the call, also as 5gwei or 1.5ether."),
]
GasLimitOption = Annotated[int | None, typer.Option("--gas-limit", min=0, metavar="GAS", help="Maximum gas.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")]


def price_table_of(name: str) -> PriceTable:
    """A price schedule by its name. Raises NodeError."""
    found = PRICE_TABLES.get(name)
    if found is None:
        raise NodeError(f"--schedule {name}: there are {', '.join(PRICE_TABLES)}")
    return found


def client_of(rpc: str | None, port: str | None) -> Client:
    """The node that the options name."""

    def own_port() -> int:
        from zevm.node.commands.chosen_settings import settings_of

        return settings_of(None, None, port=port).port

    return Client(node_url(rpc, port, own_port))
