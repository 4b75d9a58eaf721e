"""Records whose fields the core sets: they are what the dataclass decorator alone makes of them."""

from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from typing import Any

import pytest

from tests.core.support import needs_core, outcome
from zevm.chain.types import Header, Receipt
from zevm.core import CORE, references
from zevm.core.records import quick_init, set_fields
from zevm.storage.primitives import Hash32

pytestmark = needs_core


def made(decorate: Any) -> tuple[Any, Any]:
    """A record class and one that inherits from it, with fields of every kind."""

    @decorate
    @dataclass(frozen=True, slots=True)
    class Base:
        first: int
        second: bytes = b"second"
        items: list[int] = field(default_factory=lambda: [1, 2])
        kept: int | None = field(default=None, init=False, compare=False, repr=False)

    @decorate
    @dataclass(frozen=True, slots=True)
    class Derived(Base):
        third: tuple[int, ...] = ()
        fourth: int = 4

        def __post_init__(self) -> None:
            if self.fourth < 0:
                raise ValueError("negative")

    return Base, Derived


CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((1,), {}),
    ((1, b"a", [3]), {}),
    ((), {"first": 2, "items": []}),
    ((1,), {"second": b"c"}),
    ((), {}),
    ((1,), {"first": 1}),
    ((1,), {"kept": 1}),
    ((1,), {"none": 1}),
    ((1, 2, 3, 4, 5, 6), {}),
]


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(("arguments", "options"), [*CALLS, ((1,), {"fourth": -1}), ((1, b"", [], (1,), 2), {})])
def test_a_record_is_that_of_its_dataclass(place: int, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    plain, quick = [made(decorate)[place] for decorate in (lambda cls: cls, quick_init)]
    assert plain.__init__ is not quick.__init__
    assert plain.__init__.__qualname__ == quick.__init__.__qualname__
    wanted, found = [outcome(lambda cls=cls: cls(*arguments, **options)) for cls in (plain, quick)]
    if isinstance(wanted, tuple):
        assert found == wanted
        return
    assert (asdict(found), repr(found), found.kept) == (asdict(wanted), repr(wanted), None)
    assert found == quick(*arguments, **options)
    assert replace(found, first=9).first == 9
    with pytest.raises(FrozenInstanceError):
        found.first = 2


def test_each_record_has_a_list_of_its_own() -> None:
    base = made(quick_init)[0]
    assert base(1).items is not base(1).items


def test_fields_are_set_as_pythons_function_sets_them() -> None:
    assert CORE.library is not None
    assert set_fields is not references["set_fields"]
    names = tuple(item.name for item in fields(Header))
    found = [object.__new__(Header) for _ in range(2)]
    for record, function in zip(found, (set_fields, references["set_fields"]), strict=True):
        function(record, names, (Hash32(bytes(32)), *range(len(names) - 1)))
    assert [getattr(found[0], name) for name in names] == [getattr(found[1], name) for name in names]
    for arguments in ((Header, names[:2], (1,)), (3, ("real",), (4,)), (3, 4, 5), (found[0], ("none",), (1,)), (1, 2)):
        outcomes = [outcome(function, *arguments) for function in (set_fields, references["set_fields"])]
        assert outcomes[0][0] is outcomes[1][0]


def test_the_records_of_a_block_are_quick() -> None:
    for record_class in (Header, Receipt):
        assert "set_fields" in record_class.__init__.__code__.co_names
