"""Messages of the validation libraries in our words."""

import re

_OWN_WORDS = (
    (r"(?:Input )?should be a valid integer(?:, .*)?", "want a whole number"),
    (r"(?:Input )?should be a valid (?:number|decimal)(?:, .*)?", "want a number"),
    (r"(?:Input )?should be a valid boolean(?:, .*)?", "want true or false"),
    (r"(?:Input )?should be a finite number", "want a finite number"),
    (r"(?:Input )?should be greater than or equal to (\S+)", r"want at least \1"),
    (r"(?:Input )?should be greater than (\S+)", r"want more than \1"),
    (r"(?:Input )?should be less than or equal to (\S+)", r"want at most \1"),
    (r"(?:Input )?should be less than (\S+)", r"want less than \1"),
    (r"(?:Input )?should be '(.*)'", r"want '\1'"),
    (r"(?:Input )?should be (\d+(?:, \d+)* or \d+)", r"want \1"),
    (r"(?:String|Tuple) should have at least 1 (?:character|item)(?:.*)", "want a non-empty value"),
    (r"Decimal input should have no more than (\d+) decimal places?", r"want at most \1 decimals"),
    (r"(?:Input )?should be a valid (string|path|tuple)(?:.*)", r"want text"),
    (r"Input is not a valid path(?:.*)", "want a path"),
    (r"Value error, '(?:[^']*)' is not one of (.*)", r"want \1"),
    (r"Value error, ", ""),
)
"""Texts of the validation libraries -> our texts; the rest of a message stays."""


def in_own_words(message: str) -> str:
    """A message about a wrong value, without the validation library's wording."""
    for pattern, words in _OWN_WORDS:
        message = re.sub(pattern, words, message)
    return message
