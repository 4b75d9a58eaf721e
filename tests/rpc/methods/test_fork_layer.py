"""A fork is a layer beneath the database: no method knows of it."""

import re
from pathlib import Path

import zevm.rpc


def test_no_module_of_rpc_names_the_origin_of_a_fork() -> None:
    folder = Path(zevm.rpc.__file__).parent
    modules = list(folder.rglob("*.py"))
    assert len(modules) > 100
    knowing = [
        path.relative_to(folder)
        for path in modules
        if re.search(r"storage\.origin\b|database\.origin\b|before_fork\b|node\.origin\b", path.read_text())
    ]
    assert knowing == []
