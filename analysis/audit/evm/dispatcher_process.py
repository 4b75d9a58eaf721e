"""Functions and loops of bytecode by evmole, in a process of its own: a run as a file that imports nothing of zEVM.

evmole keeps the interpreter's lock while it works, and takes half a minute for the worst code of 24 KiB: in this
process nothing waits for it, and its parent ends it in time. Standard input: the code. Standard output: JSON,
{"functions": [[selector, arguments, mutability]], "loops": [offset], "solidity": [number] or null}.
"""

import json
import resource
import sys

MEMORY_BYTES = 1 << 30
"""Writable memory at most."""


def described(code: bytes) -> dict[str, object]:
    """The members of the answer."""
    from evmole import contract_info

    info = contract_info(
        code, selectors=True, arguments=True, state_mutability=True, control_flow_graph=True, metadata=True
    )
    functions = [[item.selector, item.arguments or "", item.state_mutability or ""] for item in info.functions or ()]
    return {"functions": functions, "loops": sorted(_loops(info)), "solidity": _solidity(info.metadata)}


def _solidity(metadata: object) -> list[int] | None:
    """The compiler's version as the metadata has it: three bytes."""
    for entry in getattr(metadata, "entries", None) or ():
        if entry.key == "solc" and isinstance(entry.value.value, bytes) and len(entry.value.value) == 3:
            return list(entry.value.value)
    return None


def _loops(info: object) -> set[int]:
    """Starts of the blocks to which a later block of the control flow graph jumps back."""
    graph = getattr(info, "control_flow_graph", None)
    blocks = {} if graph is None else {block.id: block for block in graph.blocks}
    return {
        blocks[target].start
        for block in blocks.values()
        for target in _targets(block.btype)
        if target in blocks and blocks[target].start <= block.start
    }


def _targets(kind: object) -> list[int]:
    found: list[int] = []
    for name in ("to", "true_to", "false_to"):
        value = getattr(kind, name, None)
        if isinstance(value, int):
            found.append(value)
        elif isinstance(value, list):
            found += [jump.to for jump in value if jump.to is not None]
    return found


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    json.dump(described(sys.stdin.buffer.read()), sys.stdout)
