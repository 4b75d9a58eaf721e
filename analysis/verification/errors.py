"""Errors of verifying contracts."""

from enum import Enum


class Failure(Enum):
    """Why a submission was not verified."""

    NO_COMPILER = "no compiler"
    COMPILER = "compiler"
    NO_MATCH = "no match"
    STORE_FULL = "store full"
    NOT_KEPT = "not kept"


class SubmissionError(ValueError):
    """A submission has no form that can be compiled; the message says what is wrong."""


class NoMatchError(Exception):
    """Sources were compiled and give other code than the account has; the message says where they part."""


class AsWellKnownError(Exception):
    """The code is verified already, by a match that is as good."""


class StoreFullError(Exception):
    """As many verified sources are kept as may be; the message names the limit."""
