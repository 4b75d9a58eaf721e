"""py-evm's precompiles of BLS12-381 and alt_bn128 and its proof of work, deferred until one is called.

The libraries below them compute tables for more than half a second when they are imported. The chain has precompiles
of its own at these addresses (bls12_381.py, bn254.py), and no proof of work.
"""

import importlib
import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

MODULES = (
    *(f"eth.precompiles.bls12_381.bls12_381_{part}" for part in ("g1", "g2", "pairing")),
    *(f"eth.precompiles.ec{part}" for part in ("add", "mul", "pairing")),
    "eth.consensus.ethash",
)


class _DeferredModule(ModuleType):
    """In place of a module of functions, which the first call of one imports."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def function(*arguments: Any, **prices: Any) -> Any:
            if not arguments:  # a fork's price of a precompile
                return partial(function, **prices)
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
            return getattr(importlib.import_module(self.__name__), name)(*arguments, **prices)

        return function


def defer_pairings() -> None:
    """Let py-evm be imported without these libraries. Does nothing where it was imported before."""
    if "eth" not in sys.modules:
        sys.modules.update((name, _DeferredModule(name)) for name in MODULES)
