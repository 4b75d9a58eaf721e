"""py-evm's precompiles of BLS12-381, deferred until one is called.

The library below them computes tables of pairings for half a second when it is imported, and the chain has precompiles
of its own at these addresses (bls12_381.py).
"""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

MODULES = tuple(f"eth.precompiles.bls12_381.bls12_381_{part}" for part in ("g1", "g2", "pairing"))


class _DeferredModule(ModuleType):
    """In place of a module of precompiles, which the first call of one imports."""

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def precompile(computation: Any) -> Any:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
            return getattr(importlib.import_module(self.__name__), name)(computation)

        return precompile


def defer_pairings() -> None:
    """Let py-evm be imported without the library of pairings. Does nothing where it was imported before."""
    if "eth" not in sys.modules:
        sys.modules.update((name, _DeferredModule(name)) for name in MODULES)
