"""Lack of a sandbox on this machine, found without the sandbox's own help."""

import ctypes
import os
import platform
import stat
from pathlib import Path

from zevm.contracts.sandbox import files
from zevm.contracts.toolchain import ZIG_LIBRARY, zig


def what_the_sandbox_lacks() -> str:
    """A reason to skip its tests; empty where it has to work."""
    if platform.machine() not in ("x86_64", "aarch64"):
        return f"no rules for {platform.machine()}"
    try:
        files.version(ctypes.CDLL(None, use_errno=True))
    except OSError as error:
        return f"no Landlock in this kernel: {error}"
    if os.geteuid() != 0:
        return ""
    # root's place is taken by another user, who needs a way to the compiler
    for path in (Path(zig()), ZIG_LIBRARY):
        for folder in path.resolve().parents:
            if not folder.stat().st_mode & stat.S_IXOTH:
                return f"only its owner may enter {folder}"
    return ""
