"""The extension of the core: found next to this file, or a reason why there is none.

ZEVM_NO_CORE=1 leaves it out. ZEVM_REQUIRE_CORE=1 makes a missing one an error, at the build too.
"""

import os
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

NO_CORE = "ZEVM_NO_CORE"
REQUIRE_CORE = "ZEVM_REQUIRE_CORE"


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
        return Core(import_module("zevm.core._core"), "")
    except ModuleNotFoundError:
        reason = "it was installed without the core"
    except ImportError as error:
        reason = f"the core does not load: {error}"
    if is_set(environment, REQUIRE_CORE):
        raise ImportError(f"{REQUIRE_CORE} is set, but {reason}; `scripts/venv.sh run` builds it")
    return Core(None, reason)
