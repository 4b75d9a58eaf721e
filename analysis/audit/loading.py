"""Subjects of audits from files: sources, artifacts, WebAssembly modules, and bytecode in hex or binary."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from zevm.analysis.audit.errors import AuditError
from zevm.analysis.audit.subject import Subject
from zevm.analysis.audit.trial.ground import Ground, blank_ground
from zevm.analysis.audit.trial.world import CREATION_SHARE, GUESS_GAS, deployed, peopled
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.zvm.module.form import COMPRESSED_PREFIX, MAGIC
from zevm.contracts.artifact import Artifact, load_artifact
from zevm.contracts.builder import BY_SUFFIX, build_all
from zevm.contracts.options import BuildOptions
from zevm.contracts.source_maps.source_map import SourceMap

LONGEST_CODE_BYTES = 4 << 20
"""Size of a file of bytecode at most; a module of the chain is far smaller."""
_HEX = re.compile(rb"\s*(?:0x)?((?:[0-9a-fA-F]{2})*)\s*\Z")


def subjects_of(path: Path, options: BuildOptions | None = None, timeout_seconds: float | None = None) -> list[Subject]:
    """The contracts of a file. timeout_seconds: for the guess at what bytecode is.

    Raises AuditError, BuildError with a compiler's text, ArtifactError, ExecutionTimeoutError.
    """
    if not path.exists():
        no_address = ", and it is no address (0x and 40 hex digits)" if path.name.startswith("0x") else ""
        raise AuditError(f"{path}: there is no such file{no_address}")
    if not path.is_file():
        raise AuditError(f"{path}: is {'a folder' if path.is_dir() else 'a device or a pipe'}, name a file")
    if path.suffix in BY_SUFFIX:
        return _with_code([of_artifact(artifact) for artifact in build_all(path, options)], path)
    if path.suffix in (".json", ".wasm"):
        return _with_code([of_artifact(load_artifact(path))], path)
    return [_of_bytecode(path, None if timeout_seconds is None else Deadline.after(timeout_seconds))]


def of_artifact(artifact: Artifact) -> Subject:
    """The subject of an artifact."""
    code = artifact.module or artifact.deployed_bytecode
    return Subject(artifact.name, code, artifact.bytecode, artifact.abi, _locator(artifact))


def _locator(artifact: Artifact) -> Callable[[int], tuple[str, int] | None]:
    """The look-up of an offset's file and line; no line without a source map."""
    try:
        known = SourceMap.from_artifact(artifact)
    except ValueError:
        known = None

    def locate(offset: int) -> tuple[str, int] | None:
        place = None if known is None else known.at(offset)
        return None if place is None else (place.file, place.line)

    return locate


def _with_code(subjects: Sequence[Subject], path: Path) -> list[Subject]:
    """The subjects that have code: interfaces and abstract contracts have none. Raises AuditError."""
    found = [subject for subject in subjects if subject.code]
    if not found:
        raise AuditError(f"{path}: no contract with code, only interfaces or abstract contracts")
    return found


def of_code(name: str, code: bytes, ground: Ground, deadline: Deadline | None = None) -> Subject:
    """The subject of bytes: a module, creation bytecode, or deployed bytecode. Raises ExecutionTimeoutError."""
    if is_module(code):
        return Subject(name, code, code)
    try:
        world = deployed(peopled(ground.environment, ground.reader, deadline), code, "", gas=GUESS_GAS)
    except ExecutionTimeoutError:
        if deadline is None or deadline.expired():
            raise
        return Subject(name, code, notes=(_UNDECIDED,))
    made = b"" if world is None else world.state.get_code(world.target)
    # deployed bytecode run as a creation ends at once, or in a few bytes that are no part of it
    return Subject(name, made, code) if len(made) > 1 and made[:64] in code else Subject(name, code)


_UNDECIDED = (
    f"the bytes, run as a creation, took over {CREATION_SHARE:.0%} of the time: they were examined as deployed code"
)


def is_module(code: bytes) -> bool:
    """Whether code begins as a WebAssembly module, or as a compressed one."""
    return code[:3] == COMPRESSED_PREFIX or code[: len(MAGIC)] == MAGIC


def _of_bytecode(path: Path, deadline: Deadline | None) -> Subject:
    try:
        size = path.stat().st_size
        if size > LONGEST_CODE_BYTES:
            raise AuditError(f"{path}: {size} bytes, a file of bytecode has at most {LONGEST_CODE_BYTES}")
        raw = path.read_bytes()
    except OSError as error:
        raise AuditError(f"{path}: cannot be read: {(error.strerror or 'unknown').lower()}") from None
    text = _HEX.match(raw)
    code = bytes.fromhex(text[1].decode()) if text else raw
    if not code:
        raise AuditError(f"{path}: is empty")
    if not text and not is_module(code) and raw.isascii():
        kinds = ", ".join((*BY_SUFFIX, ".json", ".wasm"))
        raise AuditError(f"{path}: neither bytecode in hex or binary, nor a source or an artifact ({kinds})")
    return of_code(path.name.partition(".")[0], code, blank_ground(None), deadline)
