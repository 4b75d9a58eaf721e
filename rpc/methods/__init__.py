"""The JSON-RPC methods, one folder per namespace; each module registers its functions in the registry."""

from functools import cache
from importlib import import_module
from pkgutil import walk_packages


@cache
def load() -> None:
    """Import every module of this package, so that the registry is full."""
    for module in walk_packages(__path__, f"{__name__}."):
        import_module(module.name)
