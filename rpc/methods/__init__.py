"""The JSON-RPC methods, one module per topic; each registers its functions in the registry."""

from importlib import import_module
from pkgutil import iter_modules


def load() -> None:
    """Import every module of this package, so that the registry is full."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
