"""zvm_auditContract: weaknesses of a contract, suspected from its code and tried on a copy of a block's state."""

import time

from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.types.block_reference import LATEST, BlockReference
from zevm.chain.zvm.inspection import delegate_of
from zevm.rpc.codec import scalars
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.rpc.errors import InvalidParamsError, LimitExceededError, ServerError
from zevm.rpc.methods.support.reading import account_of
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.primitives import Address

_NAME = "zvm_auditContract"
_ADDRESS_BYTES = 20


@method(
    _NAME,
    cost=Cost.EXECUTION,
    params=(
        Param("contract", scalars.data, summary="an address, or code: deployed, of a creation, or a module"),
        Param("block", scalars.block_reference, default=LATEST, summary="on whose state suspicions are tried"),
    ),
    result="{contract, machine, functions, severity, findings: [{rule, severity, evidence, offset, ...}], notes}",
)
def audit_contract(services: Services, contract: bytes, block: BlockReference, *, deadline: Deadline) -> Json:
    """Look for weaknesses of a contract or code, and try on a copy of the state which of them can be exploited."""
    from zevm.analysis.audit.errors import AuditError

    limits = services.limits
    if len(contract) > limits.audit_code_bytes:
        raise InvalidParamsError(
            f"{_NAME}: {len(contract)} bytes of code, the limit of --rpc-audit-code-bytes is {limits.audit_code_bytes}"
        )
    if not services.audits.acquire(blocking=False):
        raise LimitExceededError(f"limit exceeded: {limits.audits} audits are running (--rpc-audits); try again later")
    try:
        own = Deadline(time.monotonic() + limits.audit_seconds, deadline.cancellation)
        return _report(services, contract, block, own)
    except AuditError as error:
        raise ServerError(str(error)) from None
    except ExecutionTimeoutError:
        raise ServerError(
            f"audit aborted (timeout = {limits.audit_seconds:g}s); the node's operator may raise --rpc-audit-seconds"
        ) from None
    finally:
        services.audits.release()


def _report(services: Services, contract: bytes, block: BlockReference, deadline: Deadline) -> Json:
    """The report on an address or on code. Raises InvalidParamsError for an address without code, AuditError."""
    # a node that is never asked for an audit loads none of it
    from zevm.analysis.audit.audit import audit
    from zevm.analysis.audit.loading import of_code
    from zevm.analysis.audit.subject import Subject
    from zevm.analysis.audit.trial.ground import Ground

    frame = services.chain.frame_at(block)
    if len(contract) != _ADDRESS_BYTES:
        if not contract:
            raise InvalidParamsError(f"{_NAME}: the code is empty; give an address, or code")
        ground = Ground(frame.environment, frame.reader)
        return audit(of_code("code", contract, ground, deadline), ground=ground, deadline=deadline).as_json()
    address = Address(contract)
    code = _code_at(services, address, block)
    known = services.catalogue.identify(code, address)
    name, abi = (hexadecimal(address), []) if known is None else (known.name, known.abi)
    ground = Ground(frame.environment, frame.reader, address)
    return audit(Subject(name, code, abi=abi), ground=ground, deadline=deadline).as_json()


def _code_at(services: Services, address: Address, block: BlockReference) -> bytes:
    """The code that runs at an address, its own or a delegate's. Raises InvalidParamsError without any."""
    state = services.chain.state_at(block)
    code = state.code(account_of(state, address).code_hash)
    delegate = delegate_of(code, services.chain.frame_at(block).environment.rules)
    if delegate is not None:
        code = state.code(account_of(state, delegate).code_hash)
    if not code:
        raise InvalidParamsError(f"{_NAME}: no contract at {hexadecimal(address)} in this block")
    return code
