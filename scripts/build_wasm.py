"""Compile the example contracts in Zig, C and AssemblyScript to WebAssembly, the same bytes each time.

python scripts/build_wasm.py                  contracts/**  ->  examples/out/<source>.wasm
python scripts/build_wasm.py my.zig my.c      these alone, to the same folder (-o FOLDER chooses another)
python scripts/build_wasm.py --unchecked ...  smaller and faster code that checks nothing

Overflow, division by zero, an index out of bounds and a number that does not fit end the call in a trap, which reverts.
With --unchecked they continue with a wrong value or read adjacent memory: for proven code, or measurements.

Zig and C need the package `ziglang`; AssemblyScript needs the npm tools of scripts/install_client_tools.sh.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
OUTPUT = ROOT / "examples" / "out"
CACHE = ROOT / "examples" / "cache" / "zig"
LIBRARY = CONTRACTS / "zig" / "covenant"
ASSEMBLYSCRIPT = ROOT / "tests" / "clients" / "node_modules" / ".bin" / "asc"

STACK_BYTES = 8_192
"""The shadow stack; Zig's default of 1 MiB would make every call pay for 17 pages."""

SOURCES = (
    CONTRACTS / "zig" / "counter.zig",
    CONTRACTS / "zig" / "maths.zig",
    CONTRACTS / "zig" / "token.zig",
    CONTRACTS / "c" / "counter.c",
    CONTRACTS / "assemblyscript" / "counter.ts",
)


class BuildError(Exception):
    """A source cannot be compiled; the message is the compiler's, or names what is missing."""


def zig_command(source: Path, target: Path, *, checked: bool) -> list[str]:
    """Zig: no debug information, memory and exported functions exported.

    The library is the root, so that the contract's panics are Solidity's. It checks by itself what it must check, so it
    is compiled for its size.
    """
    mode = "ReleaseSafe" if checked else "ReleaseSmall"
    flags = ("-target", "wasm32-freestanding", "-fno-entry", "-rdynamic", "-fstrip")
    root = ("-O", mode, "--dep", "covenant", "--dep", "contract", f"-Mroot={LIBRARY / 'entry.zig'}")
    contract = ("-O", mode, "--dep", "covenant", f"-Mcontract={source}")
    library = ("-O", "ReleaseSmall", f"-Mcovenant={LIBRARY / 'covenant.zig'}")
    build = [sys.executable, "-m", "ziglang", "build-exe", *flags, "--stack", str(STACK_BYTES)]
    return [*build, *root, *contract, *library, f"-femit-bin={target}"]


def c_command(source: Path, target: Path, *, checked: bool) -> list[str]:
    """C: Clang as Zig brings it, without a C library. Unsigned numbers wrap by the language's own rules."""
    checks = ("-fsanitize=undefined", "-fsanitize-trap=undefined") if checked else ("-fno-sanitize=all",)
    flags = ("--target=wasm32-freestanding", "-std=c23", "-Wall", "-Wextra", "-Werror", "-Os", "-nostdlib")
    link = ("-Wl,--no-entry", f"-Wl,-z,stack-size={STACK_BYTES}", "-Wl,--strip-all")
    return [sys.executable, "-m", "ziglang", "cc", *flags, *checks, *link, "-o", str(target), str(source)]


def assemblyscript_command(source: Path, target: Path, *, checked: bool) -> list[str]:
    """AssemblyScript: no runtime, no `abort` import."""
    if not ASSEMBLYSCRIPT.exists():
        raise BuildError("the AssemblyScript compiler is missing; run: scripts/install_client_tools.sh")
    flags = ("-Oz", "--runtime", "stub", "--use", "abort=")
    checks = () if checked else ("--noAssert",)
    return [str(ASSEMBLYSCRIPT), os.path.relpath(source), *flags, *checks, "--outFile", os.path.relpath(target)]


COMPILERS: dict[str, Callable[..., list[str]]] = {
    ".zig": zig_command,
    ".c": c_command,
    ".ts": assemblyscript_command,
}


def compile_contract(source: Path, folder: Path = OUTPUT, cache: Path = CACHE, *, checked: bool = True) -> Path:
    """Compile one source; the module's path, `<folder>/<source's name>.wasm`. Raises BuildError."""
    command_of = COMPILERS.get(source.suffix)
    if command_of is None:
        raise BuildError(f"{source}: no compiler for {source.suffix or 'this'}; want {', '.join(COMPILERS)}")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder.resolve() / f"{source.name}.wasm"
    environment = os.environ | {"ZIG_LOCAL_CACHE_DIR": str(cache), "ZIG_GLOBAL_CACHE_DIR": str(cache)}
    # made aside and moved, so that whoever reads the module meanwhile has a whole one
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        made = Path(aside).resolve() / target.name
        command = command_of(source.resolve(), made, checked=checked)
        finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if finished.returncode != 0:
            raise BuildError(f"{source}: {finished.stdout}{finished.stderr}".strip())
        os.replace(made, target)
    return target


def build(sources: Sequence[Path] = SOURCES, folder: Path = OUTPUT, *, checked: bool = True) -> list[Path]:
    """Compile them all. Raises BuildError at the first that fails."""
    return [compile_contract(source, folder, checked=checked) for source in sources]


def main() -> int:
    """Compile what the command line names; 1 where a compiler fails."""
    parser = argparse.ArgumentParser(description="Compile contracts to WebAssembly.")
    parser.add_argument("sources", nargs="*", type=Path, metavar="SOURCE", help="a .zig, .c or .ts file")
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT, metavar="FOLDER")
    parser.add_argument("--unchecked", action="store_true", help="smaller and faster code that checks nothing")
    arguments = parser.parse_args()
    try:
        for path in build(arguments.sources or SOURCES, arguments.output, checked=not arguments.unchecked):
            shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
            print(f"{shown}: {path.stat().st_size:,} bytes")
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
