"""Advice for the current command: commands that a message proposes get its --datadir and --config."""

import re
import shlex
from collections.abc import Sequence

_PROPOSED = re.compile(r"`(zevm (?:run|db|export|import|init|account)\b[^`]*)`")
_CARRIED_OPTIONS = ("--datadir", "--config")


def for_this_command(message: str, arguments: Sequence[str]) -> str:
    """The message, with each proposed command aimed at the data directory and file that `arguments` name."""
    carried = _carried(arguments)
    if not carried:
        return message

    def aimed(match: re.Match[str]) -> str:
        proposed = match[1]
        missing = [part for name, part in carried.items() if name not in proposed and "--help" not in proposed]
        return f"`{' '.join([proposed, *missing])}`"

    return _PROPOSED.sub(aimed, message)


def _carried(arguments: Sequence[str]) -> dict[str, str]:
    """Option -> its text on the command line, for the options that select the chain."""
    found = {}
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, is_joined, value = argument.partition("=")
        if name in _CARRIED_OPTIONS:
            found[name] = f"{name} {shlex.quote(value if is_joined else following)}"
    return found
