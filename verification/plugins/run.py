"""The plugins for other tools, each with that tool in an environment of its own: its versions exclude the node's.

    python -m verification.plugins.run                       # the tests of every plugin
    python -m verification.plugins.run titanoboa --public CHECKOUT   # and the tool's own tests, from its repository
    python -m verification.plugins.run --environments DIR    # keeps the environments for the next run

Ends with 0 if all tests pass. The first run installs some hundred packages.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin and how it is tested.

    folder: in plugins/. node_beside: the node is installed in the same environment, rather than in its own.
    public: folder or file of the tool's own tests in its repository, that run on zEVM.
    """

    folder: str
    node_beside: bool
    public: str


ANVIL = '#!/bin/sh\nexec zevm run --memory "$@"\n'
"""The program `anvil` that tools' own tests start."""

PLUGINS = {
    "titanoboa": Plugin("titanoboa-zevm", node_beside=True, public="tests/integration/network/anvil"),
}


def run(*command: str | Path, environment: Path, **variables: str) -> int:
    """Run a program of an environment; its exit code."""
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    given = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    program = environment / "bin" / command[0]
    return subprocess.run([program, *command[1:]], cwd=ROOT, env={**given, "PATH": path, **variables}).returncode


def install(plugin: Plugin, environment: Path) -> None:
    """Make the environment with the tool, the plugin as it stands in the clone, and a program `anvil`."""
    if not (environment / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    sources = [f"{ROOT}[cli]"] if plugin.node_beside else []
    wanted = ["pytest", "hypothesis", *sources, f"{ROOT / 'plugins' / plugin.folder}"]
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
        chosen = ("-p", "public_suite", "-c", os.devnull, f"--rootdir={public}", public / plugin.public)
        failed += run(*pytest, *chosen, environment=environment, PYTHONPATH=str(folder)) != 0
    return failed


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
