"""The error that a caller gets for an exception, for every interface.

An unexpected exception becomes -32603 with an id that the log repeats.
"""

import logging
import secrets

from zevm.chain.concurrency.release import forget_origin
from zevm.chain.concurrency.writer import AbandonedError, WriterStoppedError
from zevm.chain.errors import ExecutionRevertedError, NodeFaultError
from zevm.rpc.errors import InternalError, RevertedError, RpcError, ServerError, translate
from zevm.rpc.services import Services
from zevm.rpc.wallet import UnknownAccountError

LOGGER = logging.getLogger("zevm.rpc")


def to_rpc_error(services: Services, name: str, error: Exception) -> RpcError:
    """The error to send for an exception of `name` (a method or a field); it keeps no reference to the traceback."""
    rpc_error = _to_rpc_error(services, name, error)
    forget_origin(error)
    return rpc_error


def _to_rpc_error(services: Services, name: str, error: Exception) -> RpcError:
    if isinstance(error, RpcError):
        return error
    if isinstance(error, ExecutionRevertedError):
        decoder = services.decoder
        return RevertedError(error.output, None if decoder is None else decoder.revert_reason(error.output))
    if isinstance(error, UnknownAccountError | WriterStoppedError | AbandonedError):
        return ServerError(str(error))
    known = translate(error, evm_timeout_seconds=services.limits.evm_timeout_seconds)
    if known is not None:
        return known
    request_id = secrets.token_hex(4)
    level = logging.CRITICAL if isinstance(error, NodeFaultError) else logging.ERROR
    LOGGER.log(level, "request %s: %s failed: %r", request_id, name, error, exc_info=error)
    return InternalError(f"internal error in {name} (request {request_id}; see the node's log)")
