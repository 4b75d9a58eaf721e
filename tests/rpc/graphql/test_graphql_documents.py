"""Validation compares fragments, and fields of one name, each with each other: both are bounded before it."""

import time

import pytest

from zevm.rpc.graphql.documents import Documents, InvalidDocumentError
from zevm.rpc.graphql.schema import load_schema
from zevm.rpc.limits import Limits

LIMITS = Limits()
DOCUMENTS = Documents(load_schema(), LIMITS)


def fragments(count: int) -> str:
    spreads = " ".join(f"...F{index}" for index in range(count))
    return f"{{block{{{spreads}}}}} " + " ".join(f"fragment F{index} on Block{{number}}" for index in range(count))


def repeated(count: int) -> str:
    return "{block{" + "number " * count + "}}"


def aliased(count: int) -> str:
    return "{block{" + "a: number " * count + "}}"


@pytest.mark.parametrize("query", [fragments, repeated, aliased])
def test_b1_graphql_validation_is_bounded(query) -> None:
    assert LIMITS.graphql_fragments == LIMITS.graphql_repetitions == 100
    begun = time.thread_time()
    assert DOCUMENTS.prepare(query(100)).document
    with pytest.raises(InvalidDocumentError, match=r"more than 100 (fragments|selections)"):
        DOCUMENTS.prepare(query(101))
    with pytest.raises(InvalidDocumentError):
        DOCUMENTS.prepare(query(400))
    assert time.thread_time() - begun < 2
