"""`zevm wasm call`: run a function of a contract on a node, or of a module's file locally."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from zevm.analysis.printable import printable
from zevm.node.commands.module_file import read_module
from zevm.node.commands.names import Client as NamesClient
from zevm.node.commands.names import address_of, is_name, resolved, with_addresses
from zevm.node.commands.wasm_options import (
    ADDRESS,
    DataOption,
    FromOption,
    FunctionArgument,
    GasLimitOption,
    JsonOption,
    PortOption,
    RpcOption,
    ShowGasOption,
    TargetArgument,
    ValueOption,
    ValuesArgument,
    client_of,
)
from zevm.node.errors import NodeError

_INTEGER = ("uint256",)
"""The encoding of an export's result."""
ENTRY_POINT = "user_entrypoint"


def call(
    target: TargetArgument,
    function: FunctionArgument = ENTRY_POINT,
    arguments: ValuesArgument = None,
    data: DataOption = None,
    rpc: RpcOption = None,
    port: PortOption = None,
    block: Annotated[str, typer.Option("--block", metavar="BLOCK", help="Number, tag or hash.")] = "latest",
    sender: FromOption = None,
    value: ValueOption = 0,
    gas_limit: GasLimitOption = None,
    gas: ShowGasOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a function without keeping changes, and print its result. A FILE runs locally unless a node is named."""
    is_on_node = rpc is not None or port is not None or is_name(target) or ADDRESS.match(target) is not None
    client = client_of(rpc, port) if is_on_node else None
    fields = function_fields(function, arguments or [], data, client)
    outputs = fields.pop("outputs")
    if sender is not None:
        fields["from"] = sender if client is None else address_of(client, sender)
    if gas_limit is not None:
        fields["gasLimit"] = gas_limit
    fields["value"] = hex(value)
    if client is not None and is_name(target):
        target = resolved(client, target, contract=True)
    if ADDRESS.match(target):
        fields["address"] = target
    else:
        fields["module"] = "0x" + read_module(Path(target), or_address=True).hex()
    at = block_reference(block)
    answer = _run_here(fields) if client is None else client.call("zvm_executeFunction", fields, at)
    tell(answer, outputs, gas=gas, as_json=as_json)


def function_fields(
    function: str, texts: list[str], data: str | None, client: NamesClient | None = None
) -> dict[str, Any]:
    """The fields of zvm_executeFunction for a function and its arguments, and `outputs`: how to show the result.

    client: of the node that resolves names among addresses; None for no names.
    """
    if "(" in function:
        from zevm.contracts.abi_text import encode_arguments, parse_signature

        signature = parse_signature(function)
        if data is None:
            texts = texts if client is None else with_addresses(client, signature.inputs, texts)
            data = "0x" + encode_arguments(signature.inputs, texts, function=signature.name).hex()
        return {"function": signature.canonical, "arguments": data, "outputs": signature.outputs}
    if data is None and function != ENTRY_POINT:
        return {"function": function, "arguments": [_integer(text) for text in texts], "outputs": _INTEGER}
    if texts:
        raise NodeError(f"{function} takes call data, as --data 0x1234; write a signature for anything else")
    return {"function": function, "arguments": data or "0x", "outputs": None}


def _integer(text: str) -> str:
    try:
        return str(int(text, 0))
    except ValueError:
        raise NodeError(f"{text}: not an integer, which the functions of a module take; or write a signature") from None


def block_reference(text: str) -> str:
    """A decimal number in the RPC's form; anything else unchanged."""
    return hex(int(text)) if text.isdecimal() else text


def _run_here(fields: dict[str, Any]) -> dict[str, Any]:
    """Run on a chain in memory with only its genesis block. Raises NodeError for a call that any node would refuse."""

    from zevm.chain.blockchain import Chain
    from zevm.chain.concurrency.deadline import Deadline
    from zevm.chain.rules.genesis import load_default_genesis
    from zevm.chain.types.block_reference import LATEST
    from zevm.contracts.revert_reasons import Decoder
    from zevm.node.wallet import KeyWallet
    from zevm.rpc.errors import RpcError
    from zevm.rpc.limits import Limits
    from zevm.rpc.methods.zvm.execution import execute_function, function_call
    from zevm.rpc.services import Services
    from zevm.storage.database import Database

    database = Database.open(None)
    chain = Chain(database, load_default_genesis())
    services = Services(chain, KeyWallet(), Limits(), "zevm wasm call", bytes(32), decoder=Decoder())
    deadline = Deadline.after(services.limits.evm_timeout_seconds)

    def run() -> dict[str, Any]:
        return execute_function(services, function_call(fields), LATEST, deadline=deadline)

    try:
        # contracts need the writer's large stack
        return chain.writer.run(run)
    except RpcError as error:
        raise NodeError(error.message) from None
    finally:
        chain.close()
        database.close()


def tell(answer: dict[str, Any], outputs: tuple[str, ...] | None, *, gas: bool, as_json: bool) -> None:
    """Print an answer of zvm_executeFunction. outputs: types of the result; None for hex. Raises NodeError."""
    failed = answer["status"] != "success"
    if as_json:
        typer.echo(json.dumps(answer))
        if failed:
            raise typer.Exit(1)
        return
    if gas:
        print(f"gas: {int(answer['gasUsed'], 16)}", file=sys.stderr)
    returned = answer["returnValue"]
    if failed:
        data = "" if returned == "0x" else f" ({returned})"
        raise NodeError(f"{answer['status']}: {answer['error']}{data}")
    for line in _shown(returned, outputs):
        typer.echo(printable(line, keep="\n\t"))


def _shown(returned: str, outputs: tuple[str, ...] | None) -> list[str]:
    """The lines of a result. An export without one returns no bytes."""
    data = bytes.fromhex(returned[2:])
    if outputs is None:
        return [returned]
    if not data and outputs is _INTEGER:
        return []
    from zevm.contracts.abi_text import decode_results

    return decode_results(outputs, data)
