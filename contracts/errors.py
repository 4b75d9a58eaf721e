"""Errors of building contracts."""


class BuildError(Exception):
    """A source cannot be built; the message is the compiler's, with file and line, or says what is wrong."""


class CompilerMissingError(BuildError):
    """A compiler is not installed; the message names the command that installs it."""


class BuildTimeoutError(BuildError):
    """A compiler ran longer than its limit; the message names the limit and its setting."""


class SandboxError(Exception):
    """A compiler cannot be confined on this machine, and nothing has run; the message says which part is missing."""


class CompilerBusyError(Exception):
    """As many sources are compiled and wait as may; a retry may succeed."""


class ConstructorArgumentsError(ValueError):
    """Arguments that a contract's constructor does not take; the message lists what it takes."""


class ArtifactError(Exception):
    """A built contract cannot be read, or there is none of this name."""
