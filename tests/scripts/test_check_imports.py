"""The check of imports: a small tree with one thing wrong, and this repository with nothing."""

import ast
import tomllib
from pathlib import Path

import pytest

from scripts import check_imports

SOUND = {
    "node/__init__.py": "",
    "node/app.py": "from zevm.rpc import server\n",
    "rpc/__init__.py": "",
    "rpc/server.py": "from zevm.chain.view import View\n",
    "chain/__init__.py": "",
    "chain/view.py": "import zevm.storage.store\n",
    "storage/__init__.py": "",
    "storage/store.py": "",
}


def tree(root: Path, changed: dict[str, str] | None = None) -> Path:
    for name, text in (SOUND | (changed or {})).items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_a_sound_tree_has_no_finding(tmp_path: Path) -> None:
    assert list(check_imports.findings(tree(tmp_path))) == []


@pytest.mark.parametrize(
    "back",
    [
        "from zevm.node.app import run\n",
        "from zevm.node import app\n",
        "import zevm.node.app\n",
        "def late() -> None:\n    from zevm.node.app import run\n",
        "class Late:\n    def method(self) -> None:\n        import zevm.node.app\n",
    ],
)
def test_a_circle_is_found_wherever_its_import_stands(tmp_path: Path, back: str) -> None:
    [finding] = check_imports.findings(tree(tmp_path, {"storage/store.py": back}))
    whole = ("chain.view", "node.app", "rpc.server", "storage.store", "chain.view")
    assert finding == "a circle of imports: " + " -> ".join(f"zevm.{name}" for name in whole)


def test_an_import_for_types_alone_is_found_and_counts_for_circles(tmp_path: Path) -> None:
    text = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from zevm.rpc.server import Server\n"
    circle, for_types = check_imports.findings(tree(tmp_path, {"chain/view.py": text}))
    assert circle == "a circle of imports: zevm.chain.view -> zevm.rpc.server -> zevm.chain.view"
    assert for_types.startswith("chain/view.py:1: an import for types alone")


@pytest.mark.parametrize(
    "text",
    [
        "from typing import TYPE_CHECKING as TC\nif TC:\n    import zevm.rpc.server\n",
        "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    pass\nelse:\n    import zevm.rpc.server\n",
        "import typing\nif typing.TYPE_CHECKING and True:\n    import zevm.rpc.server\n",
        "import typing as t\nif t.TYPE_CHECKING:\n    import zevm.rpc.server\n",
    ],
)
def test_no_spelling_of_an_import_for_types_alone_is_missed(tmp_path: Path, text: str) -> None:
    assert any(
        "an import for types alone" in line for line in check_imports.findings(tree(tmp_path, {"chain/view.py": text}))
    )


def test_two_circles_are_told_apart_and_a_folder_above_is_no_part_of_one(tmp_path: Path) -> None:
    changed = {
        "chain/one.py": "import zevm.chain.other\n",
        "chain/other.py": "import zevm.chain.one\n",
        "storage/one.py": "import zevm.storage.other\n",
        "storage/other.py": "import zevm.storage.one\n",
        "node/app.py": "import zevm.chain.one\nimport zevm.storage.one\n",
    }
    found = list(check_imports.findings(tree(tmp_path, changed)))
    assert [finding.count("->") for finding in found] == [2, 2]
    assert not any("node" in finding for finding in found)


def test_the_graph_is_that_of_this_repository() -> None:
    """That it has no finding is what `make lint` runs."""
    files = check_imports.module_files(check_imports.ROOT)
    assert len(files) > 300
    found = [
        check_imports.imported(ast.parse(files[f"zevm.rpc.{name}"].read_text()), files)
        for name in ("server", "services")
    ]
    assert {"zevm.chain.blockchain", "zevm.rpc.services"} <= found[0] | found[1]


@pytest.mark.parametrize("package", ["rpc", "chain"])
def test_the_picture_of_the_architecture_shows_the_layers_that_are_checked(package: str) -> None:
    project = tomllib.loads((check_imports.ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    [layers] = [row["layers"] for row in contracts if row.get("containers") == [f"zevm.{package}"]]
    wanted = [name.strip() for layer in layers for name in layer.split("|")]
    text = (check_imports.ROOT / "docs/architecture.md").read_text()
    picture = text[text.index(f"\n{package}/       "[:12]) + 1 :].split("─────")[0].split("```")[0]
    shown = [word.strip("=") for line in picture.splitlines() for word in line[11:44].split()]
    assert [word for word in shown if word in wanted] == wanted
    folders = {word.strip("=") for line in picture.splitlines() for word in line[11:44].split() if word[0] == "="}
    assert folders == {name for name in wanted if (check_imports.ROOT / package / name).is_dir()}
