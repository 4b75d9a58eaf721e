"""Compiled contracts for scripts, benchmarks and tests: WebAssembly modules, EVM contracts, and ways to deploy them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pickle
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from testing.node_process import ROOT
from zevm.contracts import Artifact, BuildOptions, build
from zevm.contracts.artifact import replace_file

CONTRACTS = ROOT / "contracts"
LOAD = CONTRACTS / "load"
EXAMPLES = ROOT / "examples"
BUILT = EXAMPLES / "cache" / "artifacts"
"""Artifacts of sources in this checkout, so that processes share what one has built."""
CACHE = EXAMPLES / "cache" / "zig"
"""Zig's cache, for all builds of this checkout: the first takes seconds, later ones less."""
SOURCES = tuple(CONTRACTS / name for name in (
    "zig/counter.zig", "zig/maths.zig", "zig/token.zig", "c/counter.c", "assemblyscript/counter.ts",
    "assemblyscript/guestbook.ts",
))  # fmt: skip
"""The example contracts in languages that compile to WebAssembly."""
TOOLS = ROOT / "tests" / "clients"
"""The folder of the npm tools: sources in AssemblyScript find their compiler from there."""
FORGE = ROOT / "tests" / "clients" / "node_modules" / ".bin" / "forge"

FORWARDER = bytes.fromhex("5f5f6020360380 60205f375f345f355af13d5f5f3e601b573d5ffd5b3d5ff3")
"""EVM runtime code: calls the address in the first word of its call data with the rest and its wei; ends alike."""
DELEGATOR = bytes.fromhex("5f5f6020360380 60205f375f5f355af43d5f5f3e601a573d5ffd5b3d5ff3")
"""The same by DELEGATECALL."""
MAKER = bytes.fromhex("365f5f37365f34f05f5500")
"""EVM runtime code: CREATE of its call data with its wei; the address goes to slot 0."""
SALTED_MAKER = bytes.fromhex("365f5f375f365f34f55f5500")
"""The same by CREATE2 with salt 0."""


def returning(code: bytes) -> bytes:
    """EVM creation code that returns `code`, of any length."""
    size = len(code).to_bytes(3, "big")
    return b"\x62" + size + bytes.fromhex("80600b5f395ff3") + code


@cache
def wasm(name: str) -> bytes:
    """A module of the examples or of contracts/load by its source's name, as "token.zig". Raises BuildError.

    Those of contracts/load are for measuring, and have no checks.
    """
    source = next((path for path in SOURCES if path.name == name), LOAD / name)
    return module_of(source, checked=source.parent != LOAD)


@cache
def compiled(source: Path, *, checked: bool = True) -> Artifact:
    """The artifact of a source, once for a process, and of one in contracts once for all. Raises BuildError.

    One of another folder has no source map.
    """
    options = BuildOptions(checked=checked, cache=CACHE, tools=TOOLS)
    if CONTRACTS not in source.parents:
        return build(source, replace(options, source_map=False))
    name = hashlib.sha256(f"{_state_of_contracts()} {source} {checked}".encode()).hexdigest()
    BUILT.mkdir(parents=True, exist_ok=True)
    file = BUILT / name
    with (BUILT / f"{name}.lock").open("w") as lock:
        # another process that wants the same waits for it
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            replace_file(file, pickle.dumps(build(source, options)))
        artifact: Artifact = pickle.loads(file.read_bytes())
        return artifact


@cache
def _state_of_contracts() -> str:
    """A hash of all that an artifact depends on: sources, libraries, this project's builder, and the compilers."""
    digest = hashlib.sha256()
    for file in (*sorted(CONTRACTS.rglob("*")), ROOT / "requirements-dev.lock", TOOLS / "package-lock.json"):
        if file.is_file() and "__pycache__" not in file.parts:
            content = file.read_bytes()
            digest.update(f"{file.relative_to(ROOT)} {len(content)} ".encode() + content)
    return digest.hexdigest()


def module_of(source: Path, *, checked: bool = True) -> bytes:
    """The module of a source, without custom sections. Raises BuildError."""
    module = compiled(source, checked=checked).module
    assert module is not None, source
    return module


@cache
def solidity(names: tuple[str, ...]) -> dict[str, bytes]:
    """Creation code of contracts of the examples or contracts/load, by name. Raises RuntimeError with forge's text."""
    if not FORGE.exists():
        raise RuntimeError("forge is missing; run: scripts/install_client_tools.sh")
    with tempfile.TemporaryDirectory(prefix="zevm-solidity-") as folder:
        sources = [str(_solidity_source(name)) for name in names]
        command = [str(FORGE), "build", "--quiet", "--out", folder, "--cache-path", f"{folder}/cache", *sources]
        finished = subprocess.run(
            command, cwd=EXAMPLES, env=os.environ | {"NO_COLOR": "1"}, capture_output=True, text=True, check=False
        )
        if finished.returncode != 0:
            raise RuntimeError(f"forge build: {finished.stdout}{finished.stderr}".strip())
        return {name: _bytecode(Path(folder), name) for name in names}


@cache
def build_examples(profile: str = "default") -> None:
    """Compile the examples into their folder `out`, one process at a time. Raises RuntimeError with forge's text.

    profile: of examples/foundry.toml; "twins" for those that contracts/zig has too.
    """
    if not FORGE.exists():
        raise RuntimeError("forge is missing; run: scripts/install_client_tools.sh")
    (EXAMPLES / "cache").mkdir(exist_ok=True)
    with (EXAMPLES / "cache" / "build.lock").open("w") as lock:
        # whoever waits finds everything compiled
        fcntl.flock(lock, fcntl.LOCK_EX)
        command, environment = [str(FORGE), "build", "--quiet"], os.environ | {"FOUNDRY_PROFILE": profile}
        finished = subprocess.run(command, cwd=EXAMPLES, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise RuntimeError(f"forge build: {finished.stdout}{finished.stderr}".strip())


def _solidity_source(name: str) -> Path:
    return next(path for folder in (EXAMPLES / "src", LOAD) if (path := folder / f"{name}.sol").exists())


def _bytecode(folder: Path, name: str) -> bytes:
    built = json.loads((folder / f"{name}.sol" / f"{name}.json").read_text())
    return bytes.fromhex(built["bytecode"]["object"][2:])


def words(values: Sequence[int | bytes]) -> bytes:
    """ABI-encoded static arguments: numbers and 20-byte addresses."""
    return b"".join(
        value.rjust(32, b"\0") if isinstance(value, bytes) else value.to_bytes(32, "big") for value in values
    )
