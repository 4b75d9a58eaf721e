"""What stops the node with one line on standard error.

NodeError        the work cannot be done; exit code 1
└── SettingsError    a setting is wrong; exit code 2
"""


class NodeError(Exception):
    """The message is a whole line for the operator: what, with which value, and what to do."""

    exit_code = 1


class SettingsError(NodeError):
    """A setting or flag that is wrong."""

    exit_code = 2
