"""The contract that a command of `zevm contract` means: a name of the project or of the name service, or an address."""

import re
from contextlib import suppress
from dataclasses import dataclass

from zevm.contracts.artifact import Abi, load_artifact
from zevm.contracts.errors import ArtifactError
from zevm.contracts.project import Project
from zevm.node.client import Client
from zevm.node.commands.names import is_name, resolved
from zevm.node.errors import NodeError

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\Z")


@dataclass(frozen=True, slots=True)
class Target:
    """A contract on a node. abi: empty where no artifact of the project is it."""

    address: str
    name: str | None
    abi: Abi


def chain_of(client: Client) -> str:
    """A node's chain, as the project's list of deployments names it: its id and its genesis block."""
    return f"{int(client.call('eth_chainId'), 16)}:{client.call('eth_getBlockByNumber', '0x0', False)['hash']}"


def target_of(client: Client, project: Project, text: str) -> Target:
    """The contract that a text means: an address, a name as mytoken.ghost, or one of the project.

    Raises NodeError, ArtifactError.
    """
    if is_name(text):
        text = resolved(client, text, contract=True)
    if not _ADDRESS.match(text):
        artifact = project.find(text)
        address = project.deployed(chain_of(client), artifact.name)
        if address is None:
            raise NodeError(f"{artifact.name} is not deployed on the chain of {client.url}: run `zevm contract deploy`")
        return Target(_with_code(client, address, artifact.name), artifact.name, artifact.abi)
    name = project.deployed_at(chain_of(client), text)
    code = client.call("eth_getCode", text, "latest")
    for file in project.artifacts():
        with suppress(ArtifactError):  # one that another tool left here
            artifact = load_artifact(file)
            if artifact.name == name or (code != "0x" and code == "0x" + artifact.deployed_bytecode.hex()):
                return Target(text, artifact.name, artifact.abi)
    return Target(text, None, [])


def _with_code(client: Client, address: str, name: str) -> str:
    """An address that has code. Raises NodeError: a chain in memory ends with its node."""
    if client.call("eth_getCode", address, "latest") == "0x":
        raise NodeError(f"{name} was deployed to {address}, which has no code now: run `zevm contract deploy` again")
    return address
