"""The host functions of a running module."""
