"""The call of `zevm profile --call`: contract and function by their names, or by address and signature."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from zevm.contracts.errors import ArtifactError
from zevm.contracts.project import Project
from zevm.node.client import Client
from zevm.node.commands.contract_call import call_data
from zevm.node.commands.contract_options import told
from zevm.node.commands.contract_target import Target, target_of
from zevm.node.errors import NodeError

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\Z")
_HEX = re.compile(r"0x([0-9a-fA-F]{2})*\Z")


def call_fields(
    client: Client,
    project: Project,
    contract: str,
    words: Sequence[str],
    data: str | None,
    options: Mapping[str, str | None],
    *,
    value_wei: int,
) -> dict[str, Any]:
    """A call as eth_call takes it. Raises NodeError.

    words: the function and its arguments. options: further fields of it, None where not given.
    """
    if data is not None and words:
        raise NodeError(f"{words[0]}: --data is the call data already; give one of them")
    if data is not None and not _HEX.match(data):
        raise NodeError(f"--data {data[:80]}: not whole bytes in hex, as 0x1234")
    with told():
        target = _target(client, project, contract, needs_abi=bool(words) and "(" not in words[0])
        if words:
            data = "0x" + call_data(target, words[0], list(words[1:]), value_wei=value_wei, client=client)[0].hex()
    given = {name: value for name, value in options.items() if value is not None}
    return {"to": target.address, "data": data or "0x", "value": hex(value_wei), **given}


def _target(client: Client, project: Project, contract: str, *, needs_abi: bool) -> Target:
    """The contract; of an address no artifact is looked for unless its ABI is needed. Raises NodeError."""
    if _ADDRESS.match(contract):
        return target_of(client, project, contract) if needs_abi else Target(contract, None, [])
    if contract.startswith("0x"):
        raise NodeError(f"--call {contract}: not an address (0x and 40 hex digits)")
    try:
        return target_of(client, project, contract)
    except ArtifactError as error:
        raise NodeError(f"--call {contract}: {error}; or give its address, as --call 0x...") from None
