"""The extension of the core: found next to this file, or a reason why there is none.

ZEVM_NO_CORE=1 leaves it out. ZEVM_REQUIRE_CORE=1 makes a missing one an error, at the build too. A library of other
stubs or of older sources is never used: it would be called in another way than it was made for.
"""

import hashlib
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

NO_CORE = "ZEVM_NO_CORE"
REQUIRE_CORE = "ZEVM_REQUIRE_CORE"


_LIBRARY = "zevm.core._core"
_FACE = Path(__file__).with_name("_core.pyi")
_SOURCES = Path(__file__).with_name("zig")

REMEDY = "`make install` builds it"


class StaleCoreError(ImportError):
    """The library was built from other sources than those that lie here."""


class Core(NamedTuple):
    """library: the module `_core`, or None, and then `reason` says why."""

    library: ModuleType | None
    reason: str

    @property
    def kernel(self) -> str | None:
        """The level of the processor that the core computes with: "x86_64_v4", or "baseline"."""
        return None if self.library is None else str(self.library.kernel())

    @property
    def description(self) -> str:
        """In a few words, for people."""
        return f"Python ({self.reason})" if self.library is None else f"native ({self.kernel})"

    @property
    def memory_bytes(self) -> int:
        """Memory that the core has allocated at this moment."""
        return 0 if self.library is None else int(self.library.memory()[0])


def is_set(environment: Mapping[str, str], name: str) -> bool:
    """Whether a variable asks for something: neither empty nor 0."""
    return environment.get(name, "") not in ("", "0")


def load(environment: Mapping[str, str] = os.environ) -> Core:
    """Import the extension. Raises ImportError where there is none and one is required."""
    if is_set(environment, NO_CORE):
        return Core(None, f"{NO_CORE} is set")
    try:
        library = import_module(_LIBRARY)
        refuse_stale(library)
        return Core(library, "")
    except ModuleNotFoundError:
        reason, remedy = "it was installed without the core", REMEDY
    except StaleCoreError as error:
        del sys.modules[_LIBRARY]
        reason, remedy = str(error), ""
    except ImportError as error:
        reason, remedy = f"the core does not load: {error}", REMEDY
    if is_set(environment, REQUIRE_CORE):
        raise ImportError("; ".join(filter(None, (f"{REQUIRE_CORE} is set, but {reason}", remedy))))
    return Core(None, reason)


def refuse_stale(library: ModuleType) -> None:
    """Raise StaleCoreError where the stubs are not the library's, or sources that changed after it was built.

    The stubs are always compared, by their checksum; the sources only where one of them is newer than the library.
    """
    made_at = Path(str(library.__file__))
    if getattr(library, "FACE", None) != hashlib.sha256(_FACE.read_bytes()).hexdigest():
        raise StaleCoreError(f"{made_at.name} is of another version than its stubs, _core.pyi: {REMEDY} again")
    built = made_at.stat().st_mtime
    newer = [file for file in _SOURCES.glob("*.zig") if file.stat().st_mtime > built]
    if not newer:
        return
    # a checkout renews times without a change
    from zevm.core.build import sources_checksum

    if sources_checksum() != library.SOURCES:
        name = max(newer, key=lambda file: file.stat().st_mtime).name
        raise StaleCoreError(f"{made_at.name} is older than its sources, {name} for one: {REMEDY} again")
