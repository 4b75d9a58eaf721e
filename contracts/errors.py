"""Errors of building contracts."""


class BuildError(Exception):
    """A source cannot be built; the message is the compiler's, with file and line, or says what is wrong."""


class CompilerMissingError(BuildError):
    """A compiler is not installed; the message names the command that installs it."""


class BuildTimeoutError(BuildError):
    """A compiler ran longer than its limit; the message names the limit and its setting."""


class ArtifactError(Exception):
    """A built contract cannot be read, or there is none of this name."""
