"""web3.py's own treatment of answers, quick where they are plain JSON: receipts, logs, the dictionaries around them.

web3.py tells the kind of each value by abstract classes, twice for a receipt, and makes the same hashes and checksums
again for each log. The results are its own: what is not plain goes through the original.
"""

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

from zevm.node.testing.web3_encoding import REMEMBERED

_LEAVES: Final = frozenset((str, int, bool, float, bytes, type(None)))
"""Types that hold no other values; so does web3.py's HexBytes."""

_OF_TEXTS: Final = (
    ("RECEIPT_FORMATTERS", ("blockHash", "transactionHash", "contractAddress", "from", "to")),
    ("LOG_ENTRY_FORMATTERS", ("blockHash", "transactionHash", "address")),
)
"""Tables of formatters of one text each, whose results depend on it alone."""


def of_plain(recursive: Callable[..., Any]) -> Any:
    """AttributeDict.recursive, which need not ask what is a mapping or a sequence of values of JSON's types."""
    original = recursive.__func__  # type: ignore[attr-defined]
    leaves = _LEAVES | {getattr(import_module("web3.types"), "HexBytes", bytes)}

    def quick(cls: Any, value: Any) -> Any:
        kind = type(value)
        if kind in leaves:
            return value
        if kind is dict:
            return cls({key: item if type(item) in leaves else cls.recursive(item) for key, item in value.items()})
        if kind is list:
            return [item if type(item) in leaves else cls.recursive(item) for item in value]
        return original(cls, value)

    return classmethod(quick)


def of_text(formatter: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A formatter with its newest results of texts kept."""
    remembered = lru_cache(REMEMBERED)(formatter)

    def quick(value: Any) -> Any:
        return remembered(value) if type(value) is str else formatter(value)

    return quick


def of_texts(formatter: Callable[[Any], Any], member: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A formatter of lists whose members `member` formats, with the newest results of texts kept."""
    quick_member = of_text(member)

    def quick(value: Any) -> Any:
        return [quick_member(item) for item in value] if type(value) is list else formatter(value)

    return quick


def signature_of_plain(original: Callable[[Any], str]) -> Callable[[Any], str]:
    """abi_to_signature, which need not look for tuples where the types have none."""

    def abi_to_signature(abi_element: Any) -> str:
        if type(abi_element) is dict:
            inputs, name = abi_element.get("inputs"), abi_element.get("name")
            if type(inputs) is list and type(name) is str and abi_element.get("type") == "function":
                types = [given.get("type") if type(given) is dict else None for given in inputs]
                if not any(type(given) is not str or given.startswith("tuple") for given in types):
                    return f"{name}({','.join(types)})"  # type: ignore[arg-type]
        return original(abi_element)

    return abi_to_signature


def quicken_results() -> None:
    """Make the tables of formatters and AttributeDict quick; what web3.py does not have by these names stays."""
    module = import_module("web3._utils.method_formatters")
    for name, fields in _OF_TEXTS:
        table = getattr(module, name, {})
        table.update({field: of_text(table[field]) for field in fields if field in table})
    logs = getattr(module, "LOG_ENTRY_FORMATTERS", {})
    if "topics" in logs and hasattr(module, "to_hexbytes"):
        logs["topics"] = of_texts(logs["topics"], module.to_hexbytes(32))
    datastructures = import_module("web3.datastructures")
    readable = getattr(datastructures, "ReadableAttributeDict", None)
    if readable is not None and hasattr(readable, "recursive"):
        readable.recursive = of_plain(readable.recursive)
