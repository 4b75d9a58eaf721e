"""The table of keys at the head of storage/schema.py is that of the code, and every key function has a family."""

import inspect
import re
from functools import partial

from zevm.storage import schema

_ROW = re.compile(r"^    ([A-Z_]+) +'(.)' ‖ (.*?) +-> ", re.MULTILINE)


def _documented() -> dict[str, tuple[bytes, int | None]]:
    assert schema.__doc__ is not None
    rows = {}
    for name, prefix, body in _ROW.findall(schema.__doc__):
        sizes = [int(size) for size in re.findall(r"\((\d+)\)", body)]
        rows[name] = prefix.encode(), 1 + sum(sizes) if sizes else None
    return rows


def test_the_documented_keys_are_the_families() -> None:
    rows = _documented()
    assert list(rows.values()) == [(family.prefix, family.key_size) for family in schema.FAMILIES]
    assert [getattr(schema, name) for name in rows] == list(schema.FAMILIES)


def test_no_two_families_share_a_prefix() -> None:
    assert len({family.prefix for family in schema.FAMILIES}) == len(schema.FAMILIES)


def test_every_key_has_the_prefix_and_the_size_of_a_family() -> None:
    values = {"number": 7, "slot": 7, "version": schema.Version(7, 1), "address": bytes(20), "path": "0a"}
    values["log_key"] = bytes(8)
    values["flat_key"] = schema.account_key(bytes(20))
    families = {family.prefix: family for family in schema.FAMILIES}
    keys = {name: function for name, function in vars(schema).items() if name.endswith("_key")}
    used = set()
    keys["state_path_key"] = partial(schema.path_key, b"")
    for name, function in keys.items():
        if name == "meta_key":
            continue
        key = function(**{given: values.get(given, bytes(32)) for given in inspect.signature(function).parameters})
        family = families[key[:1]]
        used.add(family)
        assert family.key_size in (None, len(key)), name
    assert used == set(schema.FAMILIES)


def test_every_named_value_is_explained_once() -> None:
    names = [schema.meta_key(name) for name in schema.MetaName]
    assert len(set(names)) == len(names)
    assert schema.MetaName.__doc__ is not None
    described = re.findall(r"^ *([A-Z_]+) {2,}", schema.MetaName.__doc__, re.MULTILINE)
    assert described == [name.name for name in schema.MetaName]
