"""Which tests are unit tests: `make unit` runs them, and `make test` measures the coverage of the code by them."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
UNIT_FOLDERS = tuple(HERE / name for name in ("storage", "chain", "contracts", "covenant", "rpc"))
"""They need no npm, no network and no data from elsewhere."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        is_near = item.path.parent == HERE or any(folder in item.path.parents for folder in UNIT_FOLDERS)
        if is_near and item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.unit)
