"""The layout is made from the modules' docstrings, and the index of docs/ lacks no document."""

from pathlib import Path

import pytest

from scripts import make_docs
from scripts.syntax import PRODUCT


def test_the_layout_has_every_module_with_its_first_sentence() -> None:
    modules = {
        Path("zoo/__init__.py"): '"""Animals."""',
        Path("zoo/cats.py"): '"""Cats that\npurr. And more.\n\nDetails."""\n',
        Path("zoo/big/lions.py"): '#!/usr/bin/env python\n"""Lions:\n\n- roar."""\n',
    }
    text = make_docs.layout_document(modules)
    assert text.endswith(
        "\n## zoo/\n\nAnimals.\n\n* `cats.py`: Cats that purr.\n\n## zoo/big/\n\n* `lions.py`: Lions\n"
    )


def test_the_layout_on_disk_has_every_module_of_the_product() -> None:
    layout = (make_docs.ROOT / "docs" / "layout.md").read_text()
    for package in PRODUCT:
        for file in (make_docs.ROOT / package).rglob("*.py"):
            if file.name != "__init__.py":
                assert f"* `{file.name}`: " in layout, file


@pytest.mark.parametrize(("index", "missing"), [("[a](a.md) [b](b.md)", []), ("[a](a.md) `b.md`", ["b.md"])])
def test_a_document_without_a_line_in_the_index_is_told(index: str, missing: list[str]) -> None:
    assert make_docs.without_index_line(index, ["README.md", "a.md", "b.md"]) == missing


def test_every_module_has_a_docstring() -> None:
    for line in (make_docs.ROOT / "docs" / "layout.md").read_text().splitlines():
        assert not line.endswith(".py`: "), line
