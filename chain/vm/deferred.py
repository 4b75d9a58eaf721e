"""Parts of py-evm that the node does not use, deferred until another program in the process does.

The libraries below its precompiles of BLS12-381 and alt_bn128 and its proof of work compute tables for more than half a
second when they are imported. The chain has precompiles of its own at these addresses (bls12_381.py, bn254.py), and no
proof of work. The packages `eth` and `eth.vm.forks` and each fork's import all chains, databases and headers, two
hundred modules; the node wants tables of opcodes and functions from below them.
"""

import importlib
import re
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


_OF_THE_NODE = re.compile(
    r"eth\.(?:_utils(?:\.(?:address|blake2(?:\.coders|\.compression)?|datatypes|headers|numeric|padding|state))?"
    r"|abc|constants|exceptions|typing|validation|precompiles(?:\..+)?|tools(?:\._utils(?:\.deprecation)?)?"
    r"|vm(?:\.(?:mnemonics|opcode|opcode_values|state|logic(?:\..+)?"
    r"|forks(?:\.\w+(?:\.(?:constants|logic|opcodes|storage))?)?))?)"
)
"""Modules that the node imports, without the packages above them."""

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
    """Gives a deferred module to the import of one that is pending, so that the package above knows it as any other.

    Before a module that the node has no use for, it runs the packages above, as an import does without it: databases,
    headers and states import forks, whose packages import them again.
    """

    def __init__(self) -> None:
        self.pending: set[str] = set()

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        """See importlib."""
        if fullname in self.pending:
            return ModuleSpec(fullname, self)
        if fullname.startswith("eth.") and _OF_THE_NODE.fullmatch(fullname) is None:
            _run_above(fullname)
            if fullname in sys.modules:
                return _Imported(sys.modules[fullname]).as_spec()
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """See importlib."""
        return _DeferredModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """See importlib."""


class _Imported(Loader):
    """Gives the import of a module the one that the search for it has imported."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def as_spec(self) -> ModuleSpec:
        """The spec, which stands in the place of the module's own until the import takes it."""
        spec = self._module.__spec__ = ModuleSpec(self._module.__name__, self)
        return spec

    def create_module(self, _: ModuleSpec) -> ModuleType:
        """See importlib."""
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        """See importlib."""
        module.__spec__ = self._spec


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
        """Run the module as an import does: after all packages above, and what it imports meanwhile finds it begun."""
        _run_above(self.__name__)
        if self.__class__ is not _DeferredPackage:  # a package above has run it
            return
        self.__class__ = ModuleType  # type: ignore[assignment]
        try:
            importlib.reload(self)
        except BaseException:
            self.__class__ = _DeferredPackage
            raise


def _run_above(name: str) -> None:
    """Run the deferred packages above a module, the topmost first."""
    names = name.split(".")
    for size in range(1, len(names)):
        above = sys.modules.get(".".join(names[:size]))
        if isinstance(above, _DeferredPackage):
            above._run()


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
