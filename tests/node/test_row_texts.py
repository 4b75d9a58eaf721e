"""The text of a setting, a limit or a method is read alone: by `grep`, in a message, in a sorted table."""

import re
from collections.abc import Iterator

import pytest

from zevm.node.settings import Settings, setting_flags
from zevm.rpc.methods import load
from zevm.rpc.registry import REGISTRY

LEANING = re.compile(
    r"^(the same|as|also|like|likewise|ditto|see|such|those|these|it|they|its)\b"
    r"|\blikewise\b|\b(of|to) (these|those) nodes\b|\bone of (them|these|those)\b",
    re.IGNORECASE,
)
ALONE = re.compile(r"^(Also (serve|admit|take|write)|As many)\b")
"""An additional effect of the flag itself."""


def texts() -> Iterator[tuple[str, str]]:
    load()
    for name, flag in setting_flags().items():
        yield flag.names[0], Settings.model_fields[name].description or ""
    for method in REGISTRY.methods():
        yield method.name, method.summary


def leans(text: str) -> bool:
    return bool(LEANING.search(text)) and not ALONE.match(text)


def test_no_row_leans_on_the_row_above_it() -> None:
    rows = list(texts())
    assert len(rows) > 400
    assert {name: text for name, text in rows if leans(text)} == {}


@pytest.mark.parametrize(
    "text",
    ["simultaneous followers of one address; likewise", "such calls of one address", "Time of requests to these nodes"],
)
def test_the_rule_sees_what_leans(text: str) -> None:
    assert leans(text)
