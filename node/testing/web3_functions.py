"""web3.py's own functions of values, quick where a test's values are plain: addresses, numbers, bytes and text.

Of the time of a test that sends by web3.py, these take most: a tree of types around each argument, and the same
addresses and signatures hashed again and again. The outcomes and the errors are web3.py's: what is not plain, or fails,
goes through the original. The names replaced here are not public; where one is missing, web3.py keeps its own.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache, wraps
from importlib import import_module
from typing import Any, Final

from eth_utils.toolz import curry

from zevm.node.testing.web3_encoding import REMEMBERED, encoding_words
from zevm.node.testing.web3_results import quicken_results, signature_of_plain

_PLAIN: Final = (str, bytes, int)
REMEMBERED_LENGTH: Final = 1_024
"""The longest value whose normal form is kept, in characters or bytes."""

_OF_VALUES: Final = (
    "abi_bytes_to_hex",
    "abi_int_to_hex",
    "abi_string_to_hex",
    "abi_address_to_hex",
    "abi_bytes_to_bytes",
    "abi_string_to_text",
    "addresses_checksummed",
    "decode_abi_strings",
)
"""Normalizers of web3.py whose results depend on the value alone: the same value has the same one."""

Normalizer = Callable[[str, Any], tuple[str, Any]]


def remembering(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one text or byte string, with its newest results kept."""
    remembered = lru_cache(REMEMBERED)(function)

    @wraps(function)
    def quick(*given: Any, **named: Any) -> Any:
        is_plain = len(given) == 1 and not named and isinstance(given[0], str | bytes)
        return remembered(given[0]) if is_plain else function(*given, **named)

    return quick


def mapping_plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """web3.py's map_abi_data, which needs no tree of types for values that hold no others."""
    abi = import_module("web3._utils.abi")

    @lru_cache(REMEMBERED)
    def plain_type(name: str) -> str | None:
        """A type's full name; None for arrays and tuples."""
        parsed = abi.parse(name)
        return None if parsed.is_array or isinstance(parsed, abi.TupleType) else str(parsed.to_type_str())

    module = import_module("web3._utils.normalizers")
    of_values = {getattr(module, name, None) for name in _OF_VALUES}
    remembered_run = lru_cache(REMEMBERED)(_run)

    def mapped(normalizers: Sequence[Normalizer], types: Sequence[str | None], data: Sequence[Any]) -> list[Any] | None:
        results = []
        run = remembered_run if of_values.issuperset(normalizers) else _run
        for name, value in zip(types, data, strict=False):
            if not isinstance(value, _PLAIN):
                return None
            full_name = None if name is None else plain_type(name)
            if full_name is None and name is not None:
                return None
            is_short = type(value) in _PLAIN and (isinstance(value, int) or len(value) <= REMEMBERED_LENGTH)
            results.append(value if full_name is None else (run if is_short else _run)(normalizers, full_name, value))
        return results

    @curry  # type: ignore[untyped-decorator]
    def map_abi_data(normalizers: Iterable[Normalizer], types: Iterable[Any], data: Iterable[Any]) -> Any:
        whole = tuple(normalizers), list(types), list(data)
        try:
            results = mapped(*whole)
        except Exception:  # the original says what is wrong, in its own order
            results = None
        return function(*whole) if results is None else results

    return map_abi_data  # type: ignore[no-any-return]


def _run(normalizers: Sequence[Normalizer], name: str, value: Any) -> Any:
    for normalize in normalizers:
        name, value = normalize(name, value)
    return value


class SignaturesOnce:
    """web3.py's validate_abi, which need not look for colliding selectors again among the same signatures."""

    def __init__(self, validate: Callable[[Any], None]) -> None:
        self._validate = validate
        self._valid: set[tuple[Any, ...]] = set()

    def __call__(self, abi: Any) -> None:
        """Raise Web3ValueError for what is no ABI."""
        signatures = _signatures(abi)
        if signatures is not None and signatures in self._valid:
            return
        self._validate(abi)
        if signatures is not None:
            if len(self._valid) >= REMEMBERED:
                self._valid.clear()
            self._valid.add(signatures)


def _signatures(abi: Any) -> tuple[Any, ...] | None:
    """The functions' names and types; None for an ABI with tuples, or of another form than JSON's."""
    if type(abi) is not list:
        return None
    found = []
    for element in abi:
        if type(element) is not dict or type(element.get("type")) is not str:
            return None
        if element["type"] != "function":
            continue
        signature = (element.get("name"), *[_type_name(argument) for argument in element.get("inputs") or ()])
        if not all(type(part) is str for part in signature):
            return None
        found.append(signature)
    return tuple(found)


def _type_name(argument: Any) -> str | None:
    name = argument.get("type") if type(argument) is dict else None
    return None if type(name) is not str or name.startswith("tuple") else name


_REPLACEMENTS: Final[tuple[tuple[str, str, Callable[[Any], Any]], ...]] = (
    ("eth_utils.address", "to_checksum_address", remembering),
    ("eth_utils.abi", "function_signature_to_4byte_selector", remembering),
    ("web3._utils.rpc_abi", "map_abi_data", mapping_plain),
    ("web3._utils.contracts", "map_abi_data", mapping_plain),
    ("web3._utils.events", "map_abi_data", mapping_plain),
    ("web3.contract.utils", "map_abi_data", mapping_plain),
    ("web3.utils.abi", "validate_abi", SignaturesOnce),
    ("web3._utils.contracts", "encode_transaction_data", encoding_words),
    ("eth_utils.abi", "abi_to_signature", signature_of_plain),
    ("web3.utils.abi", "abi_to_signature", signature_of_plain),
    ("web3.contract.base_contract", "abi_to_signature", signature_of_plain),
    ("web3.contract.utils", "abi_to_signature", signature_of_plain),
)
"""Module, name in it, and what makes the quick one of it."""


@cache
def quicken() -> None:
    """Replace the functions, once for each process."""
    for module_name, name, quick in _REPLACEMENTS:
        module = import_module(module_name)
        original = getattr(module, name, None)
        if original is not None:
            setattr(module, name, quick(original))
    quicken_results()
    formatters = import_module("web3._utils.method_formatters")
    rpc_abi = import_module("web3._utils.rpc_abi")
    # those of lists hold the function that they were made with
    formatters.ABI_REQUEST_FORMATTERS.update(
        rpc_abi.abi_request_formatters(formatters.STANDARD_NORMALIZERS, rpc_abi.RPC_ABIS)
    )
