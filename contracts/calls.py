"""Functions of an ABI by the names and arguments of a command line: chosen, described, and checked."""

from collections.abc import Sequence

from eth_utils.abi import (
    abi_to_signature,
    function_abi_to_4byte_selector,
    get_abi_input_types,
    get_abi_output_types,
)

from zevm.contracts.artifact import Abi, Artifact, Entry
from zevm.contracts.errors import ArtifactError


def input_types(entry: Entry) -> tuple[str, ...]:
    """The types of the parameters, tuples as `(uint256,address)`."""
    return tuple(get_abi_input_types(entry)) if entry.get("inputs") else ()  # type: ignore[arg-type]


def output_types(entry: Entry) -> tuple[str, ...]:
    """The types of the results."""
    return tuple(get_abi_output_types(entry)) if entry.get("outputs") else ()  # type: ignore[arg-type]


def signature_of(entry: Entry) -> str:
    """`transfer(address,uint256)`."""
    return str(abi_to_signature(entry))  # type: ignore[arg-type]


def selector_of(entry: Entry) -> bytes:
    """The first four bytes of a function's call data."""
    return bytes(function_abi_to_4byte_selector(entry))  # type: ignore[arg-type]


def described(entry: Entry) -> str:
    """An entry as ethers' readable ABI has it: `function balanceOf(address account) view returns (uint256)`."""
    kind = entry["type"]
    head = kind if kind in ("constructor", "receive", "fallback") else f"{kind} {entry['name']}"
    words = [f"{head}({parameters_of(entry)})"]
    if kind in ("receive", "fallback"):
        words.append("external")
    mutability = entry.get("stateMutability", "nonpayable")
    if mutability != "nonpayable":
        words.append(mutability)
    if entry.get("outputs"):
        words.append(f"returns ({_listed(entry['outputs'])})")
    if entry.get("anonymous"):
        words.append("anonymous")
    return " ".join(words)


def parameters_of(entry: Entry) -> str:
    """`address to, uint256 amount`."""
    return _listed(entry.get("inputs", []))


def _listed(parameters: Sequence[Entry]) -> str:
    types = input_types({"type": "function", "name": "", "inputs": list(parameters)})
    return ", ".join(
        " ".join(part for part in (kind, "indexed" if item.get("indexed") else "", item.get("name", "")) if part)
        for kind, item in zip(types, parameters, strict=True)
    )


def function_of(abi: Abi, name: str, given: int) -> Entry:
    """The function of a name or a signature, for a number of arguments. Raises ArtifactError."""
    functions = [entry for entry in abi if entry["type"] == "function"]
    compact = name.replace(" ", "")
    by_signature = [entry for entry in functions if signature_of(entry) == compact]
    if by_signature:
        return by_signature[0]
    named = [entry for entry in functions if entry["name"] == name]
    if not named:
        there = ", ".join(signature_of(entry) for entry in functions) or "none"
        raise ArtifactError(f"no function {name}: there are {there}")
    fitting = [entry for entry in named if len(entry["inputs"]) == given]
    if len(fitting) == 1:
        return fitting[0]
    if len(named) == 1:
        return named[0]
    raise ArtifactError(f"{len(named)} functions are called {name}: choose {' or '.join(map(signature_of, named))}")


def constructor_types(artifact: Artifact, given: int, *, value_wei: int) -> tuple[str, ...]:
    """The types of the constructor's parameters. Raises ArtifactError for another number of arguments, or for wei."""
    entry = artifact.constructor
    wanted = 0 if entry is None else len(entry["inputs"])
    if given != wanted:
        takes = f"takes ({'' if entry is None else parameters_of(entry)})" if wanted else "takes no arguments"
        raise ArtifactError(f"the constructor of {artifact.name} {takes}: {given} given")
    if value_wei and (entry is None or entry.get("stateMutability") != "payable"):
        raise ArtifactError(f"the constructor of {artifact.name} accepts no wei: {value_wei} given")
    if not artifact.bytecode:
        raise ArtifactError(f"{artifact.name} has no code: it is an interface or an abstract contract")
    return () if entry is None else input_types(entry)
