"""Parts of py-evm that the node does not use, deferred until another program in the process does.

The libraries below its precompiles of BLS12-381 and alt_bn128 and its proof of work compute tables for more than half a
second when they are imported. The chain has precompiles of its own at these addresses (bls12_381.py, bn254.py), and no
proof of work. The packages `eth` and `eth.vm.forks` and each fork's import all chains, databases and headers, two
hundred modules; the node wants tables of opcodes and functions from below them.
"""

import importlib
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

MODULES = (
    *(f"eth.precompiles.bls12_381.bls12_381_{part}" for part in ("g1", "g2", "pairing")),
    *(f"eth.precompiles.ec{part}" for part in ("add", "mul", "pairing")),
    "eth.consensus.ethash",
)


_ASKED_FOR = frozenset({"__version__", "__all__"})
"""Names that programs ask packages for, the second one by `from eth import *`; others are the import system's."""


class _DeferredModule(ModuleType):
    """In place of a module of functions, which the first call of one imports, or a question for all names."""

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return [public for public in dir(self._imported()) if not public.startswith("_")]
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is not self:
            return getattr(self._imported(), name)

        def function(*arguments: Any, **prices: Any) -> Any:
            if not arguments:  # a fork's price of a precompile
                return partial(function, **prices)
            return getattr(self._imported(), name)(*arguments, **prices)

        return function

    def __dir__(self) -> Iterable[str]:
        return dir(self._imported())

    def _imported(self) -> ModuleType:
        if sys.modules.get(self.__name__) is self:
            package, _, name = self.__name__.rpartition(".")
            above = sys.modules[package]
            # a function of that name, as some packages have
            bound = vars(above).get(name, self)
            _FINDER.pending.discard(self.__name__)
            del sys.modules[self.__name__]
            importlib.import_module(self.__name__)
            if bound is not self:
                setattr(above, name, bound)
        return importlib.import_module(self.__name__)


class _Finder(MetaPathFinder, Loader):
    """Gives a deferred module to the import of one that is pending, so that the package above knows it as any other."""

    def __init__(self) -> None:
        self.pending: set[str] = set()

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        """See importlib."""
        return ModuleSpec(fullname, self) if fullname in self.pending else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """See importlib."""
        return _DeferredModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """See importlib."""


_FINDER = _Finder()


class _DeferredPackage(ModuleType):
    """A package whose own module runs once something asks for what it defines; its submodules are imported without."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") and name not in _ASKED_FOR:
            raise AttributeError(name)
        full_name = f"{self.__name__}.{name}"
        if PathFinder.find_spec(full_name, self.__path__) is not None:
            return importlib.import_module(full_name)
        self._run()
        return getattr(self, name)

    def __dir__(self) -> Iterable[str]:
        self._run()
        return dir(self)

    def _run(self) -> None:
        """Run the module as an import does: after the package above, and what it imports meanwhile finds it begun."""
        above = sys.modules.get(self.__name__.rpartition(".")[0])
        if isinstance(above, _DeferredPackage):
            above._run()
        if self.__class__ is not _DeferredPackage:  # the package above has run it
            return
        self.__class__ = ModuleType  # type: ignore[assignment]
        try:
            importlib.reload(self)
        except BaseException:
            self.__class__ = _DeferredPackage
            raise


def defer_unused_parts() -> None:
    """Let py-evm be imported without these parts. Does nothing where it was imported before."""
    if "eth" in sys.modules:
        return
    _FINDER.pending.update(MODULES)
    sys.meta_path.insert(0, _FINDER)
    package = _deferred_package("eth", None)
    machine = importlib.import_module("eth.vm")
    forks = _deferred_package("eth.vm.forks", machine.__path__)
    package.vm, machine.forks = machine, forks  # type: ignore[attr-defined]
    for fork in iter_modules(forks.__path__):
        if fork.ispkg:
            setattr(forks, fork.name, _deferred_package(f"{forks.__name__}.{fork.name}", forks.__path__))


def _deferred_package(name: str, path: Sequence[str] | None) -> ModuleType:
    """The package in sys.modules, of which nothing has run. path: of the package above."""
    spec = PathFinder.find_spec(name, path)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    package = sys.modules[name] = module_from_spec(spec)
    package.__class__ = _DeferredPackage
    return package
