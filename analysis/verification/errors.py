"""Errors of verifying contracts."""


class SubmissionError(ValueError):
    """A submission has no form that can be compiled; the message says what is wrong."""


class NoMatchError(Exception):
    """Sources were compiled and give other code than the account has; the message says where they part."""


class StoreFullError(Exception):
    """As many verified sources are kept as may be; the message names the limit."""
