"""Contracts from Zig sources, as the guide's ZVMRuntime compiles them."""

import threading
from types import TracebackType
from typing import Self

from zevm.contracts import compile_zig
from zevm.contracts.errors import BuildError
from zevm.contracts.guide_source import ContractNameError, complete
from zevm.covenant.errors import AccessDenied, CompilationFailed, InvalidParameters
from zevm.covenant.values import checked_text

SOURCES_KEPT = 64
"""Compiled sources that a runtime keeps."""


class ZVMRuntime:
    """The Zig compiler with what it has compiled: the same source is compiled once. Any thread may call it."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], bytes] = {}
        self._lock = threading.Lock()
        self._closed = False

    def compile(self, name: str, source: str) -> bytes:
        """Creation code of a contract without its arguments. source: "" for the library's token of this name.

        Raises InvalidParameters for a name that no contract can have, CompilationFailed with the compiler's text.
        """
        key = checked_text(name, "name"), checked_text(source, "source")
        if self._closed:
            raise AccessDenied("the runtime is closed")
        with self._lock:
            found = self._compiled.get(key)
            if found is None:
                found = _compile(name, source)
                while len(self._compiled) >= SOURCES_KEPT:
                    del self._compiled[next(iter(self._compiled))]
                self._compiled[key] = found
            return found

    def close(self) -> None:
        """Forget what was compiled, and compile no more; idempotent."""
        self._closed = True
        self._compiled.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _compile(name: str, source: str) -> bytes:
    try:
        return compile_zig(complete(name, source), name).bytecode
    except ContractNameError as error:
        raise InvalidParameters(str(error)) from error
    except BuildError as error:
        raise CompilationFailed(str(error)) from error
