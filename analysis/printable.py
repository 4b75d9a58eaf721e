"""Text of strangers for a terminal: names of artifacts, strings of contracts, answers of servers."""


def printable(text: str, keep: str = "") -> str:
    """The text with all that a terminal could obey, or an encoding refuse, as `\\x1b`, `\\u202e` or `\\ud800`.

    keep: control characters that stay, as "\\n\\t" where a text may have lines.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in keep else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()
