"""Text from outside, made fit for a terminal."""


def printable(text: str) -> str:
    """The text with whatever a terminal could obey, and lone surrogates, as Python's escapes: `\\x07`, `\\ud800`."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
