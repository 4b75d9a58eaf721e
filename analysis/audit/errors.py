"""Errors of audits."""


class AuditError(Exception):
    """The audit cannot be done; the message is a complete line with the remedy."""
