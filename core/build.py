"""The build of the core's extension with the compiler of the `ziglang` package: setup.py calls it.

The same sources give the same bytes, so a finished library is kept in the user's cache, under the checksum of all that
decides them; a later build copies it, in whatever folder.

    python core/build.py --ready    succeeds where nothing is to be installed for a build (of a target named behind it)
    python core/build.py --targets  prints the targets of wheels
    python core/build.py FILE       builds the library, or copies it
"""

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ZIG_VERSION = "0.17.1"
SOURCES = Path(__file__).resolve().parent / "zig"
FACE = Path(__file__).resolve().parent / "_core.pyi"
ROOT = "module.zig"
KERNEL = "keccak_kernel.zig"

TARGETS = {
    ("linux", "x86_64", "gnu"): "x86_64-linux-gnu.2.17",
    ("linux", "x86_64", "musl"): "x86_64-linux-musl",
    ("linux", "aarch64", "gnu"): "aarch64-linux-gnu.2.17",
    ("linux", "aarch64", "musl"): "aarch64-linux-musl",
    ("darwin", "x86_64", ""): "x86_64-macos.13.0",
    ("darwin", "arm64", ""): "aarch64-macos.13.0",
}
"""System, machine and C library -> Zig's name of the target; the glibc is manylinux2014's."""

PLATFORMS = {
    "x86_64-linux-gnu.2.17": "manylinux_2_17_x86_64",
    "aarch64-linux-gnu.2.17": "manylinux_2_17_aarch64",
    "x86_64-linux-musl": "musllinux_1_2_x86_64",
    "aarch64-linux-musl": "musllinux_1_2_aarch64",
    "x86_64-macos.13.0": "macosx_13_0_x86_64",
    "aarch64-macos.13.0": "macosx_13_0_arm64",
}
"""Target -> the platform in a wheel's name (PEP 600, PEP 656)."""

TARGET = "ZEVM_CORE_TARGET"
"""The variable that names the target of a wheel for another machine."""

LEVELS = {"x86_64": ("x86_64_v3", "x86_64_v4")}
"""Machine -> the levels that have kernels of their own, chosen at run time (core/zig/cpu.zig)."""

_MODE = ("-O", "ReleaseSafe", "-fstrip", "-fPIC")


class BuildError(Exception):
    """The core cannot be built here; the message says why."""


def chosen_target(environment: Mapping[str, str] = os.environ) -> str | None:
    """The target that a variable names; None for the machine that runs this. Raises BuildError."""
    target = environment.get(TARGET) or None
    if target is not None and target not in PLATFORMS:
        raise BuildError(f"{TARGET} is {target}, and has to be one of {', '.join(PLATFORMS)}")
    return target


def this_target() -> str:
    """Zig's name of the machine that runs this. Raises BuildError."""
    system = sys.platform
    library = ""
    if system == "linux":
        library = "musl" if "musl" in str(sysconfig.get_config_var("SOABI")) else "gnu"
    try:
        return TARGETS[system, platform.machine(), library]
    except KeyError:
        raise BuildError(f"the core is not made for {system} on {platform.machine()}") from None


def compiler() -> list[str]:
    """The command of the pinned compiler: of the package, or `zig` on the path. Raises BuildError."""
    candidates = [[sys.executable, "-m", "ziglang"]] if importlib.util.find_spec("ziglang") else []
    if found := shutil.which("zig"):
        candidates.append([found])
    for candidate in candidates:
        finished = subprocess.run([*candidate, "version"], capture_output=True, text=True, check=False)
        if finished.stdout.strip() == ZIG_VERSION:
            return candidate
    raise BuildError(f"Zig {ZIG_VERSION} is not installed (pip install ziglang=={ZIG_VERSION})")


def source_files() -> list[Path]:
    """Everything that decides the library's bytes, but for the target."""
    return [Path(__file__), FACE, *sorted(SOURCES.glob("*.zig"))]


def sources_checksum() -> str:
    """Of everything that decides the library's bytes, but for the target: the library carries it."""
    digest = hashlib.sha256(f"{ZIG_VERSION}\n".encode())
    for file in source_files():
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def face_checksum() -> str:
    """Of the stubs, which say how the library is called: the library carries it."""
    return hashlib.sha256(FACE.read_bytes()).hexdigest()


def checksum(target: str) -> str:
    """Of everything that decides the library's bytes."""
    return hashlib.sha256(f"{target} {sources_checksum()}".encode()).hexdigest()


def kept_library(target: str) -> Path:
    """The library's place in the cache, whether it is there or not."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "zevm" / "core" / f"{checksum(target)}.so"


def is_ready(target: str | None = None) -> bool:
    """Whether a build needs no installation: the library or a compiler is here, or neither would help."""
    try:
        if kept_library(target or this_target()).exists():
            return True
    except BuildError:
        return True
    try:
        return bool(compiler())
    except BuildError:
        return False


def build(out: Path, target: str | None = None) -> None:
    """Write the library to `out`: out of the cache, or compiled. Raises BuildError."""
    target = target or this_target()
    kept = kept_library(target)
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            os.replace(_compile(compiler(), target, Path(folder)), kept)
    out.parent.mkdir(parents=True, exist_ok=True)
    # a library in use is replaced, not written over
    fresh = out.with_suffix(".new")
    shutil.copyfile(kept, fresh)
    os.replace(fresh, out)


def _compile(zig: Sequence[str], target: str, folder: Path) -> Path:
    """Compile kernels and library into a folder; the library."""
    common = [*_MODE, "-target", target, "--cache-dir", str(folder / "zig")]
    objects = []
    for level in LEVELS.get(target.split("-")[0], ()):
        objects.append(str(folder / f"{level}.o"))
        _run([*zig, "build-obj", *common, "-mcpu", level, KERNEL, f"-femit-bin={objects[-1]}"])
    library, origin = folder / "library.so", folder / "origin.zig"
    origin.write_text(f'pub const face = "{face_checksum()}";\npub const sources = "{sources_checksum()}";\n')
    flags = ["-dynamic", "-fallow-shlib-undefined", "-lc"]
    modules = ["--dep", "origin", f"-Mroot={ROOT}", f"-Morigin={origin}"]
    _run([*zig, "build-lib", *flags, *common, *objects, *modules, f"-femit-bin={library}"])
    return library


def _run(command: Sequence[str]) -> None:
    finished = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise BuildError(f"Zig fails ({' '.join(command[-6:])}): {finished.stderr[-2_000:]}")


def main(arguments: Sequence[str]) -> int:
    """`--ready`: 0 where nothing is to be installed for a build. FILE: build into it, or tell why not, with 1."""
    if arguments[:1] == ["--ready"]:
        return not is_ready(*arguments[1:])
    if arguments == ["--targets"]:
        print("\n".join(PLATFORMS))
        return 0
    try:
        build(Path(arguments[0]).resolve())
    except BuildError as error:
        print(f"zevm: no native core: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
