"""What holds for every method: its parameters are checked, with geth's texts and codes."""

from typing import Any

import pytest

import zevm.rpc.methods
from tests.rpc.methods.memory_node import Node
from zevm.rpc.registry import REGISTRY

zevm.rpc.methods.load()

METHODS = list(REGISTRY.public().methods())
WITH_REQUIRED = [item for item in METHODS if item.params and item.params[0].required]


async def test_missing_parameters(node: Node) -> None:
    for method in WITH_REQUIRED:
        error = await node.fails(method.name)
        assert (error.code, error.message) == (-32602, "missing value for required argument 0"), method.name


async def test_too_many_parameters(node: Node) -> None:
    for method in METHODS:
        if method not in WITH_REQUIRED:
            count = len(method.params)
            error = await node.fails(method.name, *[None] * count, 1)
            assert (error.code, error.message) == (-32602, f"too many arguments, want at most {count}"), method.name


WRONG_VALUES = [True, [], {"zz": {}}, "no", -1, 2**300, 1e308, "0x", "0x" + "ff" * 40, [[]], {"from": 5}]


@pytest.mark.parametrize("value", WRONG_VALUES, ids=[repr(value)[:12] for value in WRONG_VALUES])
async def test_no_parameter_is_an_internal_error(node: Node, value: Any) -> None:
    for method in WITH_REQUIRED:
        required = sum(param.required for param in method.params)
        answer = await node.ask(method.name, *[value] * required)
        code = answer.get("error", {"code": None})["code"]
        assert code in (None, -32602, -32000, -32601, 3), (method.name, answer)


def test_every_row_is_documented() -> None:
    assert [item.name for item in METHODS if not item.summary.endswith(".")] == []
