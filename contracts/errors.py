"""Errors of building contracts."""


class BuildError(Exception):
    """A source cannot be built; the message is the compiler's, with file and line, or says what is wrong."""


class CompilerMissingError(BuildError):
    """A compiler is not installed; the message names the command that installs it."""


class CompilerFailedError(BuildError):
    """A compiler refused a source; the message is its own text, of any number of lines.

    exit_code: of its process, negative for the signal that ended it; None if it answered that it refuses.
    """

    def __init__(self, text: str, exit_code: int | None = None) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class CompilerMemoryError(CompilerFailedError):
    """A compiler was ended for its memory; the message ends with the limit."""


class BuildTimeoutError(BuildError):
    """A compiler ran longer than its limit, which the message names."""


class NoContractError(BuildError):
    """A project has no source of a contract."""


class SandboxError(Exception):
    """A compiler cannot be confined on this machine, and nothing has run; the message says which part is missing."""


class CompilerBusyError(Exception):
    """As many sources are compiled and wait as may; a retry may succeed."""


class ClientCompilesError(CompilerBusyError):
    """As many sources of one client are compiled and wait as may."""


class ConstructorArgumentsError(ValueError):
    """Arguments that a contract's constructor does not take; the message lists what it takes."""


class AbiTextError(ValueError):
    """A text is no signature, no type of the ABI, or no value of its type; the message quotes it."""


class ArtifactError(Exception):
    """A built contract cannot be read, or there is none of this name."""


class NoArtifactError(ArtifactError):
    """A project has no built contract at all."""
