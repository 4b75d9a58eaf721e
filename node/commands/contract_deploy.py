"""`zevm contract deploy`: send a contract's creation, once its constructor's arguments are found right."""

from typing import Annotated

import typer

from zevm.contracts.artifact import Artifact
from zevm.node.commands.contract_options import HERE, OutOption, RootOption, project_of, told
from zevm.node.commands.names import Client, with_addresses
from zevm.node.commands.sending import PrivateKeyOption, send, tell_receipt, transaction_fields
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


def deploy(
    contract: Annotated[
        str | None, typer.Argument(metavar="[CONTRACT]", help="Name, or file; not needed if there is one contract.")
    ] = None,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGS]...", help="The constructor's arguments.")
    ] = None,
    root: RootOption = HERE,
    out: OutOption = None,
    constructor: Annotated[
        str | None,
        typer.Option("--constructor", metavar="TYPES", help='Types of ARGS where no ABI is known; "" for none.'),
    ] = None,
    no_constructor: Annotated[
        bool, typer.Option("--no-constructor", help="Deploy a module that has a constructor without running it.")
    ] = False,
    creation: Annotated[bool, typer.Option("--creation", help="Print only the creation data; needs no node.")] = False,
    rpc: RpcOption = None,
    port: PortOption = None,
    sender: FromOption = None,
    private_key: PrivateKeyOption = None,
    value: ValueOption = 0,
    gas_limit: GasLimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deploy a built contract from one of the node's accounts, or with a key; print address, transaction and gas."""
    from zevm.node.commands.contract_target import chain_of

    project = project_of(root, out)
    with told():
        artifact = project.find(contract)
        _require_current(project.changed_source(artifact), artifact)
        client = client_of(rpc, port)
        data = creation_data(
            artifact, arguments or [], client, types=constructor, no_constructor=no_constructor, value_wei=value
        )
        if creation:
            typer.echo("0x" + data.hex())
            return
        chain = chain_of(client)
        receipt = send(client, transaction_fields(data, value=value, gas_limit=gas_limit), sender, private_key)
        project.record_deployment(chain, artifact.name, receipt["contractAddress"])
    tell_receipt(receipt, as_json=as_json)


def _require_current(changed: str | None, artifact: Artifact) -> None:
    if changed is not None:
        raise NodeError(f"{changed} has changed since {artifact.name} was built: run `zevm contract build`")


def creation_data(
    artifact: Artifact, texts: list[str], names: Client, *, types: str | None, no_constructor: bool, value_wei: int
) -> bytes:
    """The creation data of a contract; names: of the node that resolves names among the arguments.

    Raises NodeError, ArtifactError where the constructor does not take this.
    """
    from zevm.contracts.abi_text import encode_arguments, split_types
    from zevm.contracts.calls import constructor_types

    if no_constructor:
        return _without_constructor(artifact, texts)
    if artifact.abi or not artifact.takes_arguments:
        wanted = constructor_types(artifact, len(texts), value_wei=value_wei)
        if types is not None and split_types(types) != wanted:
            raise NodeError(f"--constructor {types}: the constructor of {artifact.name} takes ({','.join(wanted)})")
    elif types is None:
        raise NodeError(
            f"{artifact.name} has a constructor, and no ABI that names its parameters: give --constructor TYPES, "
            f'"" for none; --no-constructor deploys it as it is'
        )
    else:
        wanted = split_types(types)
    return artifact.bytecode + encode_arguments(wanted, with_addresses(names, wanted, texts))


def _without_constructor(artifact: Artifact, texts: list[str]) -> bytes:
    if artifact.module is None:
        raise NodeError(f"--no-constructor: {artifact.name} is EVM code, whose constructor is a part of it")
    if texts:
        raise NodeError(f"--no-constructor with {len(texts)} arguments for a constructor")
    return artifact.deployed_bytecode
