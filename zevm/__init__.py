"""zEVM: an Ethereum node whose contracts are EVM bytecode or WebAssembly.

    with zevm.Node() as node: ...

is a node inside a Python program (docs/embedding.md). What lies below it is in the eight packages, which are at the top
of the repository and are linked here, so that `zevm` is the one name to import:
`zevm.node` -> `zevm.rpc` -> `zevm.covenant` -> `zevm.analysis` -> `zevm.contracts` -> `zevm.chain` -> `zevm.storage` ->
`zevm.core`. Imports only go this way.
"""

from importlib import import_module

__version__ = "0.1.0"

_FACE = {
    "Account": "zevm.node.embedded",
    "CallFailedError": "zevm.node.client",
    "Node": "zevm.node.embedded",
    "NodeClosedError": "zevm.node.embedded",
    "NodeError": "zevm.node.errors",
    "SettingsError": "zevm.node.errors",
}
"""Name -> the module that has it, which is imported when the name is first asked for; __init__.pyi has their types."""

__all__ = ["Account", "CallFailedError", "Node", "NodeClosedError", "NodeError", "SettingsError", "__version__"]


def __getattr__(name: str) -> object:
    module = _FACE.get(name)
    if module is None:
        raise AttributeError(f"module 'zevm' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(module), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_FACE})
