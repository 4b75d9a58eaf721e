"""Compilers as processes of their own: bounded in time, memory and output, and ended with all their children."""

import math
import os
import resource
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from zevm.contracts.errors import BuildError, BuildTimeoutError, CompilerFailedError, CompilerMemoryError
from zevm.contracts.options import BuildOptions

_PATIENCE_SECONDS = 2
_LONGEST_LINE = 1_000
"""Characters; beyond them is no message, but code of a program that failed."""


def run_compiler(
    command: Sequence[str],
    title: str,
    options: BuildOptions,
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    given: bytes = b"",
    why_slow: str = "",
) -> bytes:
    """Standard output of a compiler. Raises CompilerFailedError if it fails, BuildTimeoutError past the limit.

    title: the source as messages name it. environment: in addition to the caller's, or to the options' if they have
    one. given: the standard input. why_slow: words for the user once it takes long.
    """
    whole = dict(os.environ if options.environment is None else options.environment) | dict(environment or {})
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as entry:
        entry.write(given)
        entry.seek(0)
        process = subprocess.Popen(
            [*options.launcher, *command],
            cwd=cwd, env=whole, stdin=entry, stdout=out, stderr=told, start_new_session=True,
        )  # fmt: skip
        try:
            with options.guard(lambda: _kill(process)):
                _limit(process, options)
                _wait(process, title, why_slow, options)
        finally:
            _end(process)
        if process.returncode != 0:
            raise _failure(process.returncode, title, out, told, options)
        out.seek(0)
        return out.read()


def _limit(process: "subprocess.Popen[bytes]", options: BuildOptions) -> None:
    memory, file_bytes = options.limits.memory_bytes, options.limits.file_bytes
    # a bound of its own, for the compiler whose caller is killed
    processor_seconds = math.ceil(options.limits.seconds) * (os.cpu_count() or 1)
    try:
        resource.prlimit(process.pid, resource.RLIMIT_DATA, (memory, memory))
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (processor_seconds, processor_seconds))
        if file_bytes is not None:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    except ProcessLookupError:
        return  # ended already


def _wait(process: "subprocess.Popen[bytes]", title: str, why_slow: str, options: BuildOptions) -> None:
    limit = options.limits.seconds
    patience = min(_PATIENCE_SECONDS, limit)
    try:
        process.wait(timeout=patience)
        return
    except subprocess.TimeoutExpired:
        if options.on_wait is not None:
            options.on_wait(f"compiling {title} ...{why_slow and f' ({why_slow})'}")
    try:
        process.wait(timeout=limit - patience)
    except subprocess.TimeoutExpired:
        raise BuildTimeoutError(
            f"{title}: the compiler took more than {limit:g} seconds; look for an endless loop at compile time"
        ) from None


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process and its children, wherever they are."""
    _kill(process)
    process.wait()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End whatever is left of the process' group, without waiting."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _failure(code: int, title: str, out: IO[bytes], told: IO[bytes], options: BuildOptions) -> BuildError:
    """The error with the compiler's text, bounded; with a sentence if there is none."""
    most, parts = options.limits.output_bytes, []
    for stream in (told, out):
        stream.seek(0)
        data = stream.read(most + 1)
        lines = (line[:_LONGEST_LINE] for line in data[:most].decode(errors="replace").splitlines())
        parts.append("\n".join(lines) + ("\n..." if len(data) > most else ""))
    text = "\n".join(part.strip() for part in parts if part.strip())
    file_bytes = options.limits.file_bytes
    if file_bytes is not None and out.seek(0, os.SEEK_END) >= file_bytes:
        return CompilerFailedError(f"{title}: the compiler wrote more than {file_bytes:,} bytes", code)
    if code < 0 or "out of memory" in text.lower() or "OutOfMemory" in text:
        ended = f"ended by {signal.Signals(-code).name}" if code < 0 else "out of memory"
        text += f"\n{title}: the compiler is {ended}; it may use {options.limits.memory_bytes >> 20:,} MiB"
        return CompilerMemoryError(text.strip(), code)
    if not text:
        return BuildError(f"{title}: the compiler failed with exit code {code} and printed nothing")
    return CompilerFailedError(text, code)
