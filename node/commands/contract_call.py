"""`zevm contract call` and `send`: functions of deployed contracts, by name."""

import json
from typing import Annotated

import typer

from zevm.analysis.printable import printable
from zevm.node.client import Client
from zevm.node.commands.contract_options import HERE, OutOption, RootOption, project_of, told
from zevm.node.commands.contract_outcome import events, reasons
from zevm.node.commands.contract_target import Target, target_of
from zevm.node.commands.names import address_of, with_addresses
from zevm.node.commands.sending import PrivateKeyOption, send, tell_receipt, transaction_fields
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
from zevm.node.errors import NodeError

TargetArgument = Annotated[
    str,
    typer.Argument(metavar="CONTRACT", help="A name, as Token, for its last deployment; an address; or mytoken.ghost."),
]
FunctionArgument = Annotated[
    str, typer.Argument(metavar="FUNCTION", help='A name, or a signature as "balanceOf(address)(uint256)".')
]
ValuesArgument = Annotated[list[str] | None, typer.Argument(metavar="[ARGS]...", help="The function's arguments.")]


def call(
    contract: TargetArgument,
    function: FunctionArgument,
    arguments: ValuesArgument = None,
    root: RootOption = HERE,
    out: OutOption = None,
    rpc: RpcOption = None,
    port: PortOption = None,
    block: Annotated[str, typer.Option("--block", metavar="BLOCK", help="Number, tag or hash.")] = "latest",
    sender: FromOption = None,
    value: ValueOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Call a function without keeping changes, and print its results, each on a line."""
    from zevm.contracts.abi_text import decode_results

    client, project = client_of(rpc, port), project_of(root, out)
    with told():
        target = target_of(client, project, contract)
        data, outputs = call_data(target, function, arguments or [], value_wei=value, client=client)
        sender = address_of(client, sender)
        fields = transaction_fields(data, to=target.address, value=value) | ({} if sender is None else {"from": sender})
        with reasons(project.out):
            returned = client.call("eth_call", fields, block_reference(block))
        if outputs and returned == "0x" and client.call("eth_getCode", target.address, block_reference(block)) == "0x":
            raise NodeError(f"{contract}: {target.address} has no code on the chain of {client.url} at {block}")
    if as_json:
        typer.echo(json.dumps(returned))
    elif outputs is None:
        typer.echo(returned)
    else:
        for line in decode_results(outputs, bytes.fromhex(returned[2:])):
            typer.echo(printable(line, keep="\n\t"))


def send_transaction(
    contract: TargetArgument,
    function: FunctionArgument,
    arguments: ValuesArgument = None,
    root: RootOption = HERE,
    out: OutOption = None,
    rpc: RpcOption = None,
    port: PortOption = None,
    sender: FromOption = None,
    private_key: PrivateKeyOption = None,
    value: ValueOption = 0,
    gas_limit: GasLimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a transaction that calls a function; print the transaction, its gas and its events."""
    client, project = client_of(rpc, port), project_of(root, out)
    with told():
        target = target_of(client, project, contract)
        data, _ = call_data(target, function, arguments or [], value_wei=value, client=client)
        fields = transaction_fields(data, to=target.address, value=value, gas_limit=gas_limit)
        with reasons(project.out):
            receipt = send(client, fields, sender, private_key)
    tell_receipt(receipt, as_json=as_json)
    if not as_json:
        for line in events(target.abi, receipt["logs"], target.address):
            typer.echo(printable(line))


def call_data(
    target: Target, function: str, texts: list[str], *, value_wei: int, client: Client
) -> tuple[bytes, tuple[str, ...] | None]:
    """Call data, and the result's types (None: not known); names among addresses are resolved by the client's node.

    Raises NodeError, ArtifactError, AbiTextError.
    """
    from zevm.chain.types.selectors import signature_selector
    from zevm.contracts.abi_text import encode_arguments, parse_signature
    from zevm.contracts.calls import function_of, input_types, output_types, selector_of, signature_of

    if "(" in function:
        signature = parse_signature(function)
        known = [entry for entry in target.abi if entry["type"] == "function"]
        entry = next((entry for entry in known if signature_of(entry) == signature.canonical), None)
        inputs, selector = signature.inputs, signature_selector(signature.canonical)
        outputs = signature.outputs if signature.outputs is not None or entry is None else output_types(entry)
    elif target.abi:
        entry = function_of(target.abi, function, len(texts))
        inputs, outputs, selector = input_types(entry), output_types(entry), selector_of(entry)
    else:
        raise NodeError(
            f"no artifact of this project is the contract at {target.address}: write the signature, "
            f'as in "{function}(address)(uint256)"'
        )
    if value_wei and entry is not None and entry.get("stateMutability") != "payable":
        raise NodeError(f"{signature_of(entry)} accepts no wei: {value_wei} given")
    name = function.partition("(")[0].strip()
    return selector + encode_arguments(inputs, with_addresses(client, inputs, texts), function=name), outputs
