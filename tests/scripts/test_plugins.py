"""The plugins for other tools, as far as they can be checked without these: names and numbers must fit the node."""

import ast
import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from typer.main import get_command

import zevm
from zevm.node.cli import whole_app
from zevm.rpc import methods
from zevm.rpc.registry import REGISTRY

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
SOURCES = sorted(file for plugin in PLUGINS for file in plugin.rglob("*.py") if "build" not in file.parts)
METHOD = re.compile(r"(anvil|debug|eth|evm|hardhat|net|rpc|web3|zvm)_[a-z]\w*")


def _texts(file: Path) -> list[str]:
    tree = ast.parse(file.read_text())
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def test_there_are_plugins() -> None:
    assert [plugin.name for plugin in PLUGINS] == ["ape-zevm", "titanoboa-zevm"]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_metadata_fits_the_node(plugin: Path) -> None:
    project = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]
    node = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == node["requires-python"]
    wanted = [Requirement(line) for line in project["dependencies"] if line.startswith("zevm-node")]
    assert all(requirement.specifier.contains(zevm.__version__) for requirement in wanted)
    assert (plugin / project["readme"]).is_file()


@pytest.mark.parametrize("file", SOURCES, ids=lambda path: path.stem)
def test_names_of_the_node_exist(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.split(".")[0] == "zevm":
            module = import_module(node.module)
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize("file", SOURCES, ids=lambda path: path.stem)
def test_methods_and_flags_exist(file: Path) -> None:
    methods.load()
    texts = _texts(file)
    named = {text for text in texts if METHOD.fullmatch(text)}
    assert named - REGISTRY.by_name.keys() == set()
    run = get_command(whole_app()).commands["run"]  # type: ignore[attr-defined]
    flags = {flag for parameter in run.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    assert {text for text in texts if re.fullmatch(r"--[a-z-]+", text)} - flags == set()
