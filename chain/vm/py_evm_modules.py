"""py-evm's modules of tables as py-evm defines them, whatever else in the process has written into them.

Libraries on py-evm patch its tables in place: titanoboa puts tracers into them when it is imported.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import module_from_spec
from types import ModuleType


def as_defined(names: Sequence[str]) -> list[ModuleType]:
    """Modules with the contents of their files, made from each other; `names` has each after those that it imports.

    They are Python's own modules if this is the first import of them, and private ones otherwise: sys.modules and the
    modules in it are the same afterwards.
    """
    was_imported = any(name in sys.modules for name in names)
    public = {name: import_module(name) for name in names}
    if not was_imported:
        return list(public.values())
    try:
        return [_execute_again(name, module) for name, module in public.items()]
    finally:
        sys.modules.update(public)


def _execute_again(name: str, module: ModuleType) -> ModuleType:
    """Another module of the same file, in its place in sys.modules."""
    spec = module.__spec__
    assert spec is not None
    assert spec.loader is not None
    again = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(again)
    return again
