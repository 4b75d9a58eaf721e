"""Files that a confined compiler may reach, by Landlock (landlock(7)): the kernel refuses everything else."""

import ctypes
import os
import struct
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""System calls, of the same number on every machine."""
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_O_PATH = 0o10000000

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
READ = _EXECUTE | _READ_FILE | _READ_DIR
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Version of the interface -> how many rights it knows."""
_TCP = 3
"""Binding and connecting, which version 4 guards."""
_SCOPES = 3
"""Abstract sockets and signals to processes outside, which version 6 guards."""


def version(libc: ctypes.CDLL) -> int:
    """The kernel's version of Landlock. Raises OSError where there is none."""
    found: int = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)
    if found < 1:
        raise OSError(ctypes.get_errno(), "Landlock is not available")
    return found


def confine(libc: ctypes.CDLL, readable: Iterable[str], writable: Iterable[str]) -> None:
    """Leave this process and its children these files and folders, for ever. Needs no_new_privs. Raises OSError."""
    kernel = version(libc)
    every = (1 << _RIGHTS.get(kernel, 16)) - 1
    parts = [every] + ([_TCP] if kernel >= 4 else []) + ([_SCOPES] if kernel >= 6 else [])
    attributes = struct.pack(f"={len(parts)}Q", *parts)
    ruleset = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset")
    for paths, rights in ((readable, READ & every), (writable, every)):
        for path in paths:
            _allow(libc, ruleset, path, rights)
    if libc.syscall(_RESTRICT_SELF, ruleset, 0):
        raise OSError(ctypes.get_errno(), "landlock_restrict_self")
    os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    descriptor = os.open(path, _O_PATH | os.O_CLOEXEC)
    try:
        allowed = rights if os.path.isdir(path) else rights & _OF_FILES
        rule = struct.pack("=Qi", allowed, descriptor)
        if libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0):
            raise OSError(ctypes.get_errno(), "landlock_add_rule", path)
    finally:
        os.close(descriptor)
