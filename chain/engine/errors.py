"""Refusals of the Engine API with their own codes (execution-apis, src/engine/common.md).

The message says what was wrong; on the wire it stands in the error's data, and the code has a fixed text.
"""

from zevm.chain.errors import ChainError


class EngineError(ChainError):
    """Root of the Engine API's refusals."""


class InvalidParametersError(EngineError):
    """A parameter does not fit the method's version."""


class UnknownPayloadError(EngineError):
    """No build process has this id."""


class InvalidForkchoiceError(EngineError):
    """The safe or the finalized block is not an ancestor of the head."""


class InvalidAttributesError(EngineError):
    """No payload can be built with these attributes."""


class TooLargeRequestError(EngineError):
    """More was asked for than one call may."""


class UnsupportedForkError(EngineError):
    """The method's version does not serve the payload's fork."""


class TooDeepReorgError(EngineError):
    """The fork choice would remove more blocks than it may."""
