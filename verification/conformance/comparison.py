"""Recorded request and response files of execution-apis, and hive's rules for comparing an answer with them.

A file: `// comment` lines, then pairs of a `>> request` and a `<< response` line. Equal means equal JSON: the keys of
an object in any order, none more and none less, numbers by value. The texts of errors are the client's own. Where a
comment begins with `speconly:` a result need only have the form of the recorded one, whatever more it tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

_QUANTITY = re.compile(r"0x(0|[1-9a-f][0-9a-f]*)\Z")
_DATA = re.compile(r"0x([0-9a-f]{2})*\Z")
_MAP_KEY = re.compile(r"(0x[0-9a-fA-F]+|[0-9]+)\Z")
_OPTIONAL = frozenset({"deleteStrategy"})
"""Members that geth has and the methods' schemas do not require."""
_FIXED_SIZES = (42, 66, 514)
"""Characters of an address, a hash and a bloom filter in hex."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request as it is sent, and the answer that geth gave."""

    request: bytes
    response: Any

    @property
    def method(self) -> str:
        """The method that is called."""
        return str(orjson.loads(self.request)["method"])


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """One file. name: `method/case`. spec_only: its results are compared by form."""

    name: str
    exchanges: tuple[Exchange, ...]
    spec_only: bool

    @classmethod
    def read(cls, path: Path) -> RecordedFile:
        """Parse a file. Raises ValueError for lines out of order."""
        requests: list[bytes] = []
        exchanges: list[Exchange] = []
        spec_only = False
        for line in path.read_text().splitlines():
            kind, text = line[:2], line[2:].strip()
            if kind == "//":
                spec_only = spec_only or text.startswith("speconly:")
            elif kind == ">>":
                requests.append(text.encode())
            elif kind == "<<":
                exchanges.append(Exchange(requests.pop(), orjson.loads(text)))
        if requests or not exchanges:
            raise ValueError(f"{path}: a request without a response")
        return cls(f"{path.parent.name}/{path.stem}", tuple(exchanges), spec_only)


def read_folder(folder: Path) -> list[RecordedFile]:
    """Every recorded file below a folder, in hive's order: the pool's content is carried from one to the next."""
    return [RecordedFile.read(path) for path in sorted(folder.glob("*/*.io"))]


def difference(recorded: Any, answer: Any, *, spec_only: bool) -> str | None:
    """The first difference between an answer and the recorded one, in one line; None if they are equal."""
    if spec_only and isinstance(answer, dict) and "error" not in answer:
        if "result" not in recorded:
            return "is a result where an error is recorded"
        return next(Form.of([recorded["result"]]).violations(answer.get("result"), "result"), None)
    return next(_differences(recorded, answer, ""), None)


def _kind(value: Any) -> str:
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return "null" if value is None else names[type(value)]


def _show(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 100 else f"{text[:97]}..."


def _differences(want: Any, have: Any, path: str) -> Iterator[str]:
    if _kind(want) != _kind(have):
        yield f"{path or 'answer'} is {_show(have)}, want {_show(want)}"
    elif isinstance(want, dict):
        yield from _object_differences(want, have, path)
    elif isinstance(want, list):
        if len(want) != len(have):
            yield f"{path} has {len(have)} items, want {len(want)}"
        for index, pair in enumerate(zip(want, have, strict=False)):
            yield from _differences(*pair, f"{path}[{index}]")
    elif want != have:
        yield f"{path} is {_show(have)}, want {_show(want)}"


def _object_differences(want: dict[str, Any], have: dict[str, Any], path: str) -> Iterator[str]:
    for key in sorted(want.keys() | have.keys()):
        here = f"{path}.{key}".lstrip(".")
        if key not in have:
            yield f"{here} is missing, want {_show(want[key])}"
        elif key not in want:
            yield f"{here} is {_show(have[key])}, want no such member"
        elif key == "error":
            yield from _differences(*_without_messages(want[key], have[key]), here)
        else:
            yield from _differences(want[key], have[key], here)


def _without_messages(want: Any, have: Any) -> tuple[Any, Any]:
    """Errors without their texts, where both have one."""
    if not (isinstance(want, dict) and isinstance(have, dict) and "message" in want and "message" in have):
        return want, have
    return tuple({key: value for key, value in error.items() if key != "message"} for error in (want, have))  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Form:
    """The form of values, inferred from samples, in place of the method's schema.

    kinds: JSON types seen; None for "anything", where there was no sample. texts: patterns that all strings fit.
    required, members: of objects. items: of arrays, and of objects that map addresses or numbers to values.
    """

    kinds: frozenset[str] | None = None
    texts: tuple[re.Pattern[str], ...] = ()
    size: int | None = None
    required: frozenset[str] = frozenset()
    members: dict[str, Form] = field(default_factory=dict)
    items: Form | None = None

    @classmethod
    def of(cls, samples: Sequence[Any]) -> Form:
        """The form that all samples have."""
        if not samples:
            return cls()
        texts = [sample for sample in samples if isinstance(sample, str)]
        objects = [sample for sample in samples if isinstance(sample, dict)]
        arrays = [sample for sample in samples if isinstance(sample, list)]
        if objects and all(_MAP_KEY.match(key) for sample in objects for key in sample):
            arrays += [list(sample.values()) for sample in objects]
            objects = []
        keys = {key: [sample[key] for sample in objects if key in sample] for sample in objects for key in sample}
        sizes = {len(text) for text in texts}
        return cls(
            kinds=frozenset(_kind(sample) for sample in samples),
            texts=tuple(form for form in (_QUANTITY, _DATA) if texts and all(form.match(text) for text in texts)),
            size=sizes.pop() if len(sizes) == 1 and sizes <= set(_FIXED_SIZES) else None,
            required=frozenset(key for key, values in keys.items() if len(values) == len(objects)) - _OPTIONAL,
            members={key: cls.of(values) for key, values in keys.items()},
            items=cls.of([item for sample in arrays for item in sample]) if arrays else None,
        )

    def violations(self, value: Any, path: str) -> Iterator[str]:
        """The problems of a value, one line each."""
        if self.kinds is None:
            return
        if _kind(value) not in self.kinds:
            yield f"{path} is {_show(value)}, want {' or '.join(sorted(self.kinds))}"
        elif isinstance(value, str):
            yield from self._text_violations(value, path)
        elif isinstance(value, dict) and self.members:
            yield from (f"{path}.{key} is missing" for key in sorted(self.required - value.keys()))
            for key in self.members.keys() & value.keys():
                yield from self.members[key].violations(value[key], f"{path}.{key}")
        elif isinstance(value, list | dict) and self.items is not None:
            items: Iterable[tuple[object, object]] = value.items() if isinstance(value, dict) else enumerate(value)
            for place, item in items:
                yield from self.items.violations(item, f"{path}[{place}]")

    def _text_violations(self, value: str, path: str) -> Iterator[str]:
        if self.size is not None and len(value) != self.size:
            yield f"{path} is {_show(value)}, want {self.size} characters"
        if self.texts and not any(form.match(value) for form in self.texts):
            yield f"{path} is {_show(value)}, want hex"
