"""Development accounts: BIP-39 phrases and BIP-32 derivation on libsecp256k1, without slow imports."""

import hashlib
import hmac
import re
from typing import NamedTuple

from coincurve import PrivateKey

DEFAULT_MNEMONIC = "test test test test test test test test test test test junk"
DEFAULT_DERIVATION_PATH = "m/44'/60'/0'/0/"
_HARDENED = 0x8000_0000
_STEP = re.compile(r"([0-9]{1,10})(['hH]?)")


class _Node(NamedTuple):
    key: PrivateKey
    chain_code: bytes


def check_mnemonic(phrase: str) -> str:
    """The phrase with single spaces. Raises ValueError if BIP-39 refuses it."""
    words = " ".join(phrase.split())
    if words == DEFAULT_MNEMONIC:
        return words
    from eth_account.hdaccount.mnemonic import Mnemonic

    if not Mnemonic().is_mnemonic_valid(words):
        raise ValueError("not an English BIP-39 phrase: it has unknown words, or its checksum is wrong")
    return words


def random_mnemonic(word_count: int) -> str:
    """A new English phrase."""
    from eth_account.hdaccount.mnemonic import Mnemonic

    return str(Mnemonic().generate(word_count))


def check_derivation_path(path: str) -> str:
    """The path as given. Raises ValueError unless it is a BIP-32 path such as m/44'/60'/0'/0/."""
    _parse_path(path)
    return path


def derive_keys(phrase: str, derivation_path: str, count: int) -> list[PrivateKey]:
    """The keys at `derivation_path` followed by 0, 1, 2, ..."""
    seed = hashlib.pbkdf2_hmac("sha512", phrase.encode(), b"mnemonic", 2048)
    node = _split(hmac.digest(b"Bitcoin seed", seed, "sha512"), None)
    for index in _parse_path(derivation_path):
        node = _child(node, index)
    return [_child(node, index).key for index in range(count)]


def _parse_path(path: str) -> list[int]:
    root, *steps = path.rstrip("/").split("/")
    if root != "m":
        raise ValueError("a derivation path begins with m/")
    return [_parse_step(step) for step in steps]


def _parse_step(step: str) -> int:
    match = _STEP.fullmatch(step)
    if match is None or int(match[1]) >= _HARDENED:
        raise ValueError(f"{step!r} is no step of a derivation path: want a number below 2^31, with ' where hardened")
    return int(match[1]) + (_HARDENED if match[2] else 0)


def _child(parent: _Node, index: int) -> _Node:
    """BIP-32's private child key derivation."""
    private = b"\0" + parent.key.secret if index >= _HARDENED else parent.key.public_key.format(compressed=True)
    digest = hmac.digest(parent.chain_code, private + index.to_bytes(4, "big"), "sha512")
    return _split(digest, parent.key)


def _split(digest: bytes, parent: PrivateKey | None) -> _Node:
    key = PrivateKey(digest[:32]) if parent is None else parent.add(digest[:32])
    return _Node(key, digest[32:])
