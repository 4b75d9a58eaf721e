"""The module in a file of the command line, and what its constructor takes."""

from contextlib import suppress
from pathlib import Path

from zevm.node.commands.names import Client, with_addresses
from zevm.node.errors import NodeError, reason_of

MODULE_BYTES = 16 * 1024 * 1024
"""Far more than any limit of code lets a chain take: a file without an end is not read to it."""


def read_module(file: Path, *, or_address: bool = False) -> bytes:
    """A file's bytes, at most MODULE_BYTES; of an artifact in Foundry's form, its module. Raises NodeError.

    or_address: the user could have given an address as well.
    """
    try:
        with file.expanduser().open("rb") as opened:
            content = opened.read(MODULE_BYTES + 1)
    except OSError as error:
        more = ", and it is no address" if or_address else ""
        raise NodeError(f"{file}: cannot be read: {reason_of(error)}{more}") from None
    if content.lstrip()[:1] == b"{":
        return _module_of_artifact(file)
    if len(content) > MODULE_BYTES:
        raise NodeError(f"{file}: more than {MODULE_BYTES} bytes, which no module has")
    return content


def constructor_arguments(
    file: Path, types: str | None, values: list[str], names: Client, *, value_wei: int = 0, otherwise: str = ""
) -> bytes | None:
    """The ABI-encoded arguments of the constructor of a file's module; None if none is to run. Raises NodeError.

    types: as "uint256,address"; None for those of the ABI that the file has. names: of the node that resolves names
    among addresses. value_wei: goes with the deployment.
    otherwise: what else can be done with a module that has a constructor and no ABI, for the message.
    """
    from zevm.contracts.abi_text import encode_arguments, split_types
    from zevm.contracts.artifact import asks_for_creation, load_artifact
    from zevm.contracts.calls import constructor_types
    from zevm.contracts.errors import ArtifactError

    if types is not None:
        given = split_types(types)
        return encode_arguments(given, with_addresses(names, given, values))
    module, artifact = read_module(file), None
    with suppress(ArtifactError):
        artifact = load_artifact(file.expanduser())
    if artifact is not None and artifact.abi:
        try:
            wanted = constructor_types(artifact, len(values), value_wei=value_wei)
        except ArtifactError as error:
            raise NodeError(str(error)) from None
        return None if artifact.constructor is None else encode_arguments(wanted, with_addresses(names, wanted, values))
    if values:
        noun = "value" if len(values) == 1 else "values"
        raise NodeError(f"{len(values)} {noun} without --constructor TYPES, as in --constructor uint256 5")
    if asks_for_creation(module):
        raise NodeError(
            f"{file} has a constructor, which runs in the creation or never: give it by --constructor TYPES VALUES, "
            f'"" for one without arguments{otherwise}'
        )
    return None


def module_to_deploy(file: Path) -> bytes:
    """The file's module, checked against a development chain's rules; the node applies its own. Raises NodeError."""
    from zevm.chain.zvm.inspection import inspect_module
    from zevm.chain.zvm.price_table import ZVM

    code = read_module(file)
    refusal = inspect_module(code, ZVM.with_console()).refusal
    if refusal is not None:
        raise NodeError(f"{file}: {refusal.message}")
    return code


def _module_of_artifact(file: Path) -> bytes:
    """The module that a document of Foundry's form is about. Raises NodeError."""
    from zevm.chain.zvm.module.form import COMPRESSED_PREFIX, MAGIC
    from zevm.contracts.artifact import load_artifact
    from zevm.contracts.errors import ArtifactError

    try:
        artifact = load_artifact(file.expanduser())
    except ArtifactError as error:
        raise NodeError(str(error)) from None
    module = artifact.module or artifact.deployed_bytecode
    if not module.startswith((MAGIC, COMPRESSED_PREFIX)):
        raise NodeError(f"{file}: {artifact.name} is EVM code, not a WebAssembly module: `zevm contract` is for both")
    return module
