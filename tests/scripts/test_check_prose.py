"""The lint of prose finds what it is for, and passes over code and quotes. `make lint` checks the repository."""

import pytest

from scripts import check_prose
from scripts.check_prose import Text


def found(text: str, *, is_docstring: bool = False, file: str = "a.md") -> list[str]:
    return list(check_prose.findings(iter([Text(file, 1, text, is_docstring)])))


@pytest.mark.parametrize(
    "text",
    [
        "a block upon its parent", "begin anew", "the flag beside it", "so many blocks", "waits so long for it",
        "the rooms above", "nobody reads it", "what is left of it", "Upon a call.", "in geth's words",
    ],
)  # fmt: skip
def test_a_marked_phrase_is_refused(text: str) -> None:
    (message,) = found(text)
    assert message.startswith("a.md:1: ")
    assert check_prose.may_have_findings(f'raise ValueError("""{text}""")')


@pytest.mark.parametrize(
    "text",
    [
        "a block on its parent",
        "`so many blocks`",
        "as long as it lasts",
        "besides this",
        "room: words",
        "```\nupon\n```",
    ],
)
def test_plain_text_and_code_pass(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    ["kept for ever", "a file in the place of it", "whom it trusts", "all but for one", "The end: who asks waits"],
)
def test_documents_have_more_refused_phrases_than_code(text: str) -> None:
    assert len(found(text)) == 1
    assert found(text, file="a.py") == []


def test_the_line_is_told() -> None:
    assert found("one\ntwo\nbegin anew\n")[0].startswith("a.md:3: 'anew'")


@pytest.mark.parametrize(("text", "refused"), [("What it does.", 1), ("The result.", 0), ("Whether it holds.", 0)])
def test_a_docstring_begins_with_its_noun_or_verb(text: str, refused: int) -> None:
    assert len(found(text, is_docstring=True)) == refused
    assert found(text) == []


def test_docstrings_and_texts_of_a_module_are_read() -> None:
    source = '"""What a module."""\nLIMIT = 1\n"""So many blocks at most."""\nraise ValueError("nobody answers here")\n'
    messages = list(check_prose.findings(check_prose.texts_of_python("a.py", source)))
    assert [message.split(":")[1] for message in messages] == ["1", "3", "4"]


@pytest.mark.parametrize(
    ("source", "may"),
    [
        ('"""What it is."""', True),
        ('def f():\n    """Where it is."""', True),
        ('TEXT = (\n    "waits so "\n    f"long for {it}"\n)', True),
        ('"""Blocks."""\nTEXT = "plain"', False),
    ],
)
def test_only_a_module_that_may_have_findings_is_parsed(source: str, may: bool) -> None:
    assert check_prose.may_have_findings(source) is may
    assert (list(check_prose.findings(check_prose.texts_of_python("a.py", source))) != []) is may
