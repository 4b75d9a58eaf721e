"""The documents made from tables are current, and every limit has a test that names it."""

import re
from pathlib import Path

import pytest

from tests.rpc.support import make_registry
from zevm.rpc import methods
from zevm.rpc.limits import limit_rows
from zevm.rpc.methods.support import openrpc
from zevm.rpc.registry import REGISTRY, Cost, Registry

ROOT = Path(__file__).resolve().parents[2]


def test_limits_document_is_current() -> None:
    assert (ROOT / "docs/limits.md").read_text() == openrpc.limits_document(), "run `make docs`"


def test_methods_document_is_current() -> None:
    methods.load()
    assert (ROOT / "docs/methods.md").read_text() == openrpc.methods_document(REGISTRY), "run `make docs`"


@pytest.mark.lengthy
def test_every_limit_is_documented_and_tested() -> None:
    files = [file for file in (ROOT / "tests").rglob("test_*.py") if file.name != Path(__file__).name]
    tests = "".join(file.read_text() for file in files)
    words, document = set(re.findall(r"\w+", tests)), openrpc.limits_document()
    assert [row.name for row in limit_rows() if row.name not in words] == []
    for row in limit_rows():
        assert row.effect
        assert f"`{row.flag}`" in document


def test_openrpc_describes_every_method() -> None:
    methods.load()
    document = openrpc.openrpc_document(REGISTRY, "1")
    names = [entry["name"] for entry in document["methods"]]
    aliases = [alias for entry in document["methods"] for alias in entry.get("x-aliases", ())]
    assert sorted(names + aliases) == sorted(REGISTRY.by_name)
    for entry in document["methods"]:
        assert entry["summary"], entry["name"]
        required = [param["required"] for param in entry["params"]]
        assert required == sorted(required, reverse=True), entry["name"]


def test_openrpc_of_a_known_registry() -> None:
    document = openrpc.openrpc_document(make_registry(), "9")
    assert document["info"]["version"] == "9"
    entry = next(entry for entry in document["methods"] if entry["name"] == "test_types")
    assert [param["name"] for param in entry["params"]] == ["address", "quantity", "call"]
    assert entry["params"][0]["schema"]["pattern"] == "^0x[0-9a-fA-F]{40}$"
    assert [param["required"] for param in entry["params"]] == [True, False, False]


def test_the_registry_refuses_what_cannot_work() -> None:
    registry = Registry()
    with pytest.raises(ValueError, match="takes `deadline` by keyword"):
        registry.method("x_run", cost=Cost.EXECUTION)(lambda services: services)
    for options in ({"cost": Cost.WRITE}, {"cost": Cost.LIGHT, "connection": True}):
        with pytest.raises(ValueError, match="x_here: any_thread is for LIGHT methods without a connection"):
            registry.method("x_here", any_thread=True, **options)(lambda services: services)
    for trait in ({"holds_back": True}, {"at_once": lambda _: True}):
        with pytest.raises(ValueError, match="x_here: holds_back and at_once are for ASYNC methods"):
            registry.method("x_here", cost=Cost.WRITE, **trait)(lambda services: services)
    registry.method("x_one", cost=Cost.LIGHT, aliases=("x_uno",))(lambda services: services)
    with pytest.raises(ValueError, match="x_uno is registered twice"):
        registry.method("x_uno", cost=Cost.LIGHT)(lambda services: services)
    assert registry.namespaces() == ["x"]


@pytest.mark.parametrize(
    "summary",
    ["The same of a block by its hash.", "As eth_getBlock, by hash.", "See x_one.", "Execute a call, for the same."],
)
def test_a_summary_that_leans_on_another_row_is_refused(summary: str) -> None:
    def function() -> None: ...

    function.__doc__ = summary
    with pytest.raises(ValueError, match=r"x_one: the summary .* does not stand alone"):
        Registry().method("x_one", cost=Cost.LIGHT)(function)


def test_a_row_with_words_of_its_own_may_mention_another() -> None:
    def function() -> None:
        """The access list of a block, as eth_getBlock has it."""

    Registry().method("x_one", cost=Cost.LIGHT)(function)
