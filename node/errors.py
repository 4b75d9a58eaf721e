"""Errors that stop the node with one line on standard error.

NodeError        the work cannot be done; exit code 1
└── SettingsError    a setting is wrong; exit code 2
"""


def reason_of(error: Exception) -> str:
    """The operating system's reason, without number and path: "no such file or directory"."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return words[:1].lower() + words[1:]


class NodeError(Exception):
    """The message is a complete line for the operator: the problem, the value and the remedy."""

    exit_code = 1


class SettingsError(NodeError):
    """A setting or flag that is wrong."""

    exit_code = 2
