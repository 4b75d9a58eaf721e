"""Environments of Python that hold what a built package declares, and nothing else: neither pip nor a registry."""

import os
import subprocess
import sys
import venv
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

_HERE = Path(metadata.distribution("pytest").locate_file("")).resolve()


class UnmetError(AssertionError):
    """This environment has another version than the one declared."""


def closure(requirements: Iterable[str], extras: Iterable[str] = ()) -> dict[str, metadata.Distribution]:
    """The distributions that requirements lead to, as they are installed here. Raises UnmetError."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [(Requirement(line), frozenset(extras)) for line in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement, wanted = waiting.pop()
        if requirement.marker is not None and not any(
            requirement.marker.evaluate({"extra": extra}) for extra in wanted | {""}
        ):
            continue
        distribution = metadata.distribution(requirement.name)
        if not requirement.specifier.contains(distribution.version, prereleases=True):
            raise UnmetError(f"{requirement}: {distribution.version} is installed")
        key = (distribution.metadata["Name"].lower(), frozenset(requirement.extras))
        if key not in seen:
            seen.add(key)
            found[key[0]] = distribution
            waiting += [(Requirement(line), key[1]) for line in distribution.requires or ()]
    return found


def make(folder: Path, wheel: Path, requirements: Iterable[str], extras: Iterable[str] = ()) -> Path:
    """Its python: an environment with the wheel installed, and links to what the requirements lead to."""
    python = _linked(folder, requirements, extras)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", str(python)]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--no-compile", str(wheel)], check=True)
    return python


def make_more(folder: Path, python: Path, requirements: Iterable[str], extras: Iterable[str]) -> Path:
    """Its python: an environment with links to what pip has installed in another one, and to more packages.

    What one of them compiles at an import is compiled for both.
    """
    more = _linked(folder, requirements, extras)
    for installed in _packages_of(python).iterdir():
        if not installed.is_symlink():
            (_packages_of(more) / installed.name).symlink_to(installed)
    script = more.with_name("zevm")
    script.write_text(python.with_name("zevm").read_text().replace(str(python), str(more)))
    script.chmod(0o755)
    return more


def _packages_of(python: Path) -> Path:
    (packages,) = (python.parent.parent / "lib").glob("python3.*/site-packages")
    return packages


def _linked(folder: Path, requirements: Iterable[str], extras: Iterable[str]) -> Path:
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin" / "python"
    packages = _packages_of(python)
    for distribution in closure(requirements, extras).values():
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            link = packages / top
            if not link.exists():
                link.symlink_to(_HERE / top)
    return python


def run(python: Path, folder: Path, *arguments: str, succeeds: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run to the end in a folder, with nothing of the caller's environment that Python or the node would read."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "ZEVM_", "ETH_"))
    }
    finished = subprocess.run(
        [str(python), *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert (finished.returncode == 0) == succeeds, finished.stdout + finished.stderr
    return finished
