"""Messages in the reader's words: commands with the current --datadir and --config, and parameters for a program."""

import re
import shlex
from collections.abc import Mapping, Sequence

_PROPOSED = re.compile(r"`(zevm (?:run|db|export|import|init|account)\b[^`]*)`")
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9.-]*\b")
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


def for_a_program(message: str, keywords: Mapping[str, str]) -> str:
    """The message with the parameter in the place of each flag; proposed commands stay.

    keywords: settings that the program knows under another name.
    """
    from zevm.node.settings import setting_flags

    parameters = {
        flag: keywords.get(setting, setting) for setting, row in setting_flags().items() for flag in row.names
    }
    parts = message.split("`")
    parts[::2] = [_FLAG.sub(lambda match: parameters.get(match[0], match[0]), part) for part in parts[::2]]
    return "`".join(parts)


def _carried(arguments: Sequence[str]) -> dict[str, str]:
    """Option -> its text on the command line, for the options that select the chain."""
    found = {}
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, is_joined, value = argument.partition("=")
        if name in _CARRIED_OPTIONS:
            found[name] = f"{name} {shlex.quote(value if is_joined else following)}"
    return found
