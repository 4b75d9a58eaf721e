"""The plugins for other tools, each with that tool in an environment of its own: its versions exclude the node's.

    python -m verification.plugins.run                       # the tests of every plugin
    python -m verification.plugins.run titanoboa --public CHECKOUT   # and the tool's own tests, from its repository
    python -m verification.plugins.run --environments DIR    # keeps the environments for the next run

Ends with 0 if all tests pass. The first run installs some hundred packages.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin and how it is tested.

    folder: in plugins/. has_node: the environment has the node; other plugins start the clone's. public: files or
    folders of the tool's own tests in its repository that run on zEVM. renames: words of these tests and
    the words in their place.
    """

    folder: str
    has_node: bool
    public: tuple[str, ...]
    renames: tuple[tuple[str, str], ...] = ()


ANVIL = '#!/bin/sh\nexec zevm run --memory "$@"\n'
"""The program `anvil` that tools' own tests start."""

PLUGINS = {
    "titanoboa": Plugin("titanoboa-zevm", has_node=True, public=("tests/integration/network/anvil",)),
    "ape": Plugin(
        "ape-zevm",
        has_node=False,
        public=("tests/test_provider.py",),
        renames=(("foundry", "zevm"), ("Foundry", "Zevm"), ("FOUNDRY", "ZEVM")),
    ),
}


def run(*command: str | Path, environment: Path, cwd: Path = ROOT, **variables: str) -> int:
    """Run a program of an environment; its exit code."""
    path = os.pathsep.join((str(environment / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]))
    given = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    program = environment / "bin" / command[0]
    return subprocess.run([program, *command[1:]], cwd=cwd, env={**given, "PATH": path, **variables}).returncode


def install(plugin: Plugin, environment: Path) -> None:
    """Make the environment with the tool, the plugin as it stands in the clone, and a program `anvil`."""
    if not (environment / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    sources = [f"{ROOT}[cli]"] if plugin.has_node else []
    wanted = ["pytest", "pytest-mock", "hypothesis", *sources, f"{ROOT / 'plugins' / plugin.folder}"]
    if run("pip", "install", "--quiet", "--disable-pip-version-check", *wanted, environment=environment):
        raise SystemExit(f"{plugin.folder}: its environment cannot be installed, see above")
    anvil = environment / "bin" / "anvil"
    anvil.write_text(ANVIL)
    anvil.chmod(0o755)


def test(plugin: Plugin, environment: Path, public: Path | None) -> int:
    """Run the plugin's tests and the tool's; how many of the runs failed."""
    folder = ROOT / "plugins" / plugin.folder / "tests"
    # the options of the repository are those of its own tests
    pytest = ("python", "-m", "pytest", "-q", "-ra", "-p", "no:zevm", "-p", "no:cacheprovider")
    failed = int(run(*pytest, "-c", os.devnull, f"--rootdir={folder}", folder, environment=environment) != 0)
    if public is not None:
        with renamed(public, plugin.renames) as suite:
            files = [suite / name for name in plugin.public]
            chosen: tuple[str | Path, ...] = ("-p", "public_suite", "-c", os.devnull, f"--rootdir={suite}", *files)
            failed += run(*pytest, *chosen, environment=environment, cwd=suite, PYTHONPATH=str(folder)) != 0
    return failed


@contextmanager
def renamed(public: Path, renames: Sequence[tuple[str, str]]) -> Iterator[Path]:
    """The tool's repository; a copy with other words in its tests and settings if there are renames."""
    if not renames:
        yield public
        return
    with tempfile.TemporaryDirectory(prefix="zevm-public-") as temporary:
        copy = Path(temporary) / "copy"
        shutil.copytree(public, copy, ignore=shutil.ignore_patterns("ape_foundry", ".git"))
        for file in [*copy.rglob("*.py"), *copy.glob("*.yaml")]:
            text = file.read_text()
            for word, other in renames:
                text = text.replace(word, other)
            file.write_text(text)
        yield copy


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests; 1 if any fails."""
    parser = argparse.ArgumentParser(prog="verification.plugins.run", description=__doc__.splitlines()[0])
    parser.add_argument("plugin", nargs="*", choices=[*PLUGINS, []], help="all of them by default")
    parser.add_argument("--environments", type=Path, help="a folder that keeps the environments")
    parser.add_argument("--public", type=Path, help="a checkout of the tool's repository, for one plugin")
    options = parser.parse_args(arguments)
    if options.public is not None and len(options.plugin) != 1:
        parser.error("--public: name the plugin whose tool's repository it is")
    with tempfile.TemporaryDirectory(prefix="zevm-plugins-") as temporary:
        failed = 0
        for name in options.plugin or PLUGINS:
            environment = (options.environments or Path(temporary)).resolve() / name
            install(PLUGINS[name], environment)
            failed += test(PLUGINS[name], environment, options.public and options.public.resolve())
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
