"""`zevm zns`: names of the chain's name service: register, resolve, set, list, renew, transfer."""

import json
from typing import Annotated, Any

import typer

from zevm.analysis.printable import printable
from zevm.node.commands.names import is_name, not_registered
from zevm.node.commands.sending import PrivateKeyOption, tell_receipt
from zevm.node.commands.wasm_options import FromOption, JsonOption, PortOption, RpcOption, client_of
from zevm.node.commands.zns_options import AddressOption, CoinOption, ContenthashOption, ContractOption, TextOption

app = typer.Typer(help="Names: register, resolve, set, list, renew, transfer.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A name, as mytoken.ghost.")]
DaysOption = Annotated[int, typer.Option("--days", min=1, max=36_500, metavar="NUMBER", help="Duration in days.")]

PAGE = 100
"""Names that one call of `list` asks for."""


@app.command("register")
def register(
    name: NameArgument,
    owner: Annotated[
        str | None, typer.Option("--owner", metavar="ADDRESS", help="The owner of the name. (default: the sender)")
    ] = None,
    days: DaysOption = 365,
    address: AddressOption = None,
    contract: ContractOption = None,
    texts: TextOption = None,
    contenthash: ContenthashOption = None,
    coins: CoinOption = None,
    rpc: RpcOption = None,
    port: PortOption = None,
    sender: FromOption = None,
    private_key: PrivateKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register a name below .ghost, .gcc, .zns, .kz, .zkellz or .bc, with records."""
    from zevm.node.commands.zns_changes import Sender, register_name
    from zevm.node.commands.zns_records import given

    client = client_of(rpc, port)
    changes = given(client, address, contract, texts, contenthash, coins)
    receipt = register_name(client, Sender(sender, private_key), name, owner, days, changes)
    tell_receipt(receipt, as_json=as_json)


@app.command("resolve")
def resolve(
    name: Annotated[str, typer.Argument(metavar="NAME|ADDRESS", help="A name; or an address, for its name.")],
    rpc: RpcOption = None,
    port: PortOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the address of a name with its other records, or the name of an address."""
    from zevm.node.errors import NodeError

    client = client_of(rpc, port)
    if not is_name(name) and name[:2] == "0x":
        answer: Any = client.call("zns_reverse", name)
        if answer is None:
            raise NodeError(f"the address {name} has no name")
        typer.echo(json.dumps(answer) if as_json else printable(answer))
        return
    answer = client.call("zns_records", name)
    if answer is None:
        raise not_registered(client, name)
    if as_json:
        typer.echo(json.dumps(answer))
        return
    for line in _lines(answer):
        typer.echo(printable(line))


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name, one below it, or *.NAME for all below it.")],
    address: AddressOption = None,
    contract: ContractOption = None,
    texts: TextOption = None,
    contenthash: ContenthashOption = None,
    coins: CoinOption = None,
    ttl: Annotated[
        int | None,
        typer.Option("--ttl", min=0, max=2**64 - 1, metavar="SECONDS", help="Time that others may cache its records."),
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="Also let the sender's address have this name.")] = False,
    rpc: RpcOption = None,
    port: PortOption = None,
    sender: FromOption = None,
    private_key: PrivateKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set records of a name; a name below one of the sender's is made."""
    from zevm.node.commands.zns_changes import Sender, set_records
    from zevm.node.commands.zns_records import given

    client = client_of(rpc, port)
    changes = given(client, address, contract, texts, contenthash, coins)
    for receipt in set_records(client, Sender(sender, private_key), name, changes, ttl, reverse=reverse):
        tell_receipt(receipt, as_json=as_json)


@app.command("list")
def list_(
    owner: Annotated[
        str | None,
        typer.Option("--owner", metavar="ADDRESS", help="List only names of this owner. (default: of every owner)"),
    ] = None,
    rpc: RpcOption = None,
    port: PortOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the registered names with their owners and the times they expire at."""
    from zevm.node.commands.zns_changes import registrations

    for found in registrations(client_of(rpc, port), owner, PAGE):
        line = f"{found['name']}\t{found['owner']}\t{found['until']}{' (expired)' if found['expired'] else ''}"
        typer.echo(json.dumps(found) if as_json else printable(line, keep="\t"))


@app.command("renew")
def renew(
    name: NameArgument,
    days: DaysOption = 365,
    rpc: RpcOption = None,
    port: PortOption = None,
    sender: FromOption = None,
    private_key: PrivateKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a name expire later."""
    from zevm.node.commands.zns_changes import Sender, renew_name

    receipt = renew_name(client_of(rpc, port), Sender(sender, private_key), name, days)
    tell_receipt(receipt, as_json=as_json)


@app.command("transfer")
def transfer(
    name: NameArgument,
    owner: Annotated[str, typer.Argument(metavar="OWNER", help="The new owner: an address, or a name.")],
    rpc: RpcOption = None,
    port: PortOption = None,
    sender: FromOption = None,
    private_key: PrivateKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a name, with its records, to another owner."""
    from zevm.node.commands.zns_changes import Sender, transfer_name

    receipt = transfer_name(client_of(rpc, port), Sender(sender, private_key), name, owner)
    tell_receipt(receipt, as_json=as_json)


def _lines(answer: dict[str, Any]) -> list[str]:
    """The records of a name that it has, each on a line."""
    from zevm.node.commands.zns_changes import checksummed, date_of

    plain = {key: checksummed(answer[key]) for key in ("address", "contract", "owner", "resolver") if answer[key]}
    if answer["contenthash"] is not None:
        plain["contenthash"] = answer["contenthash"]
    if answer["expires"] is not None:
        plain["expires"] = date_of(answer["expires"])
    more = {f"text {key}": value for key, value in answer["texts"].items()}
    more |= {f"coin {coin}": value for coin, value in answer["addresses"].items()}
    return [f"{key}: {value}" for key, value in (plain | more).items()]
