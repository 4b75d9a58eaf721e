"""web3.py's encoding of a call's arguments, quick for functions whose arguments are words: addresses, numbers, flags.

web3.py looks the function up again, tries its encoders on every argument, and maps and encodes them by a tree of types.
Other arguments go through the original, which says what is wrong.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

from zevm.node.wallet import checksum_address
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

REMEMBERED: Final = 4_096
"""Addresses, signatures and shapes of ABIs whose results are kept."""

_SIGNATURE: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*\((?:(?:address|bool|u?int[0-9]+)(?:,|(?=\))))*\)", re.ASCII)
_OF_NO_SELECTOR: Final = ("fallback", "receive")
_INTEGER: Final = re.compile(r"(u?)int([0-9]+)", re.ASCII)

ToWord = Callable[[Any], bytes | None]
"""An argument's 32 bytes; None where web3.py has to decide."""


def encoding_words(original: Callable[..., Any]) -> Callable[..., Any]:
    """web3.py's encode_transaction_data, without a search and a tree for words."""

    def encode_transaction_data(
        w3: Any,
        abi_element_identifier: Any,
        contract_abi: Any = None,
        abi_callable: Any = None,
        args: Sequence[Any] | None = None,
        kwargs: Any = None,
    ) -> Any:
        data = None
        if not kwargs and args is not None and _is_declared(abi_element_identifier, contract_abi, abi_callable):
            data = _encoded(abi_element_identifier, args)
        if data is None:
            return original(w3, abi_element_identifier, contract_abi, abi_callable, args, kwargs)
        return data

    return encode_transaction_data


def _is_declared(signature: Any, contract_abi: Any, declared: Any) -> bool:
    """Whether `declared` is a function of the ABI, in JSON's form, with this signature."""
    if type(signature) is not str or type(contract_abi) is not list or type(declared) is not dict:
        return False
    if declared.get("type") != "function" or declared.get("name") in _OF_NO_SELECTOR:
        return False
    if not any(element is declared for element in contract_abi):
        return False
    inputs = declared.get("inputs", [])
    if type(inputs) is not list or not all(type(given) is dict and type(given.get("type")) is str for given in inputs):
        return False
    return f"{declared.get('name')}({','.join([given['type'] for given in inputs])})" == signature


def _encoded(signature: str, arguments: Sequence[Any]) -> str | None:
    form = _form(signature)
    if form is None or len(form[1]) != len(arguments):
        return None
    selector, words = form
    parts = [to_word(argument) for to_word, argument in zip(words, arguments, strict=True)]
    if None in parts:
        return None
    return selector + b"".join(parts).hex()  # type: ignore[arg-type]


@lru_cache(REMEMBERED)
def _form(signature: str) -> tuple[str, tuple[ToWord, ...]] | None:
    """The selector in hexadecimal, and the encoders; None where an argument is no word."""
    if _SIGNATURE.fullmatch(signature) is None:
        return None
    names = signature[signature.index("(") + 1 : -1]
    words = [_word_of(name) for name in names.split(",")] if names else []
    if None in words:
        return None
    return f"0x{keccak256(signature.encode())[:4].hex()}", tuple(words)  # type: ignore[arg-type]


def _word_of(name: str) -> ToWord | None:
    """The encoder of a type."""
    if name == "address":
        return _address
    if name == "bool":
        return _flag
    found = _INTEGER.fullmatch(name)
    bits = 0 if found is None else int(found[2])
    if found is None or str(bits) != found[2] or bits % 8 or not 8 <= bits <= 256:
        return None
    return _number(0, 2**bits) if found[1] else _number(-(2 ** (bits - 1)), 2 ** (bits - 1))


def _number(least: int, end: int) -> ToWord:
    def to_word(value: Any) -> bytes | None:
        return value.to_bytes(32, "big", signed=least < 0) if type(value) is int and least <= value < end else None

    return to_word


def _flag(value: Any) -> bytes | None:
    return value.to_bytes(32, "big") if type(value) is bool else None


def _address(value: Any) -> bytes | None:
    return _checksummed(str(value)) if isinstance(value, str) else None


@lru_cache(REMEMBERED)
def _checksummed(text: str) -> bytes | None:
    """The word of an address with EIP-55's checksum."""
    if len(text) != 42 or not text.startswith("0x"):
        return None
    try:
        address = Address(bytes.fromhex(text[2:]))
    except ValueError:
        return None
    return bytes(12) + address if len(address) == 20 and checksum_address(address) == text else None
