"""Secrets that no message shows: private keys, phrases and passwords from the command line."""

import re
from collections.abc import Sequence

HIDDEN = "[hidden]"
_KEY = re.compile(r"(?:0x)?[0-9a-fA-F]{64}(?![0-9a-fA-F])")
_PHRASE_OPTIONS = frozenset({"--mnemonic", "-m"})
_OPEN_OPTIONS = frozenset({"--block", "--data", "--server-key"})
"""Options whose 32-byte values are not keys."""


def without_secrets(message: str, arguments: Sequence[str]) -> str:
    """The message with each secret among the arguments hidden."""
    for secret in _secrets(arguments):
        message = message.replace(secret, HIDDEN)
    return message


def _secrets(arguments: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for option, argument in zip(["", *arguments], arguments, strict=False):
        name, _, joined = argument.partition("=")
        if option in _PHRASE_OPTIONS:
            found.add(argument)
        elif name in _PHRASE_OPTIONS and joined:
            found.add(joined)
        elif option not in _OPEN_OPTIONS and name not in _OPEN_OPTIONS:
            found.update(_KEY.findall(argument))
    return found
