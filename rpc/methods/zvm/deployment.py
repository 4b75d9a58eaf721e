"""zvm_: deploy a module from one of the node's accounts."""

from dataclasses import dataclass, field

from zevm.chain.calls.call import call
from zevm.chain.concurrency.deadline import ExecutionTimeoutError
from zevm.chain.errors import (
    AUTHENTICATION_FAILURES,
    ExecutionFailedError,
    ExecutionRevertedError,
    TransactionError,
)
from zevm.chain.events import Event, HeadChanged, TransactionReport
from zevm.chain.types.block_reference import PENDING
from zevm.chain.vm.calls import contract_address
from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.inspection import deployment_price
from zevm.chain.zvm.module.creation import constructor_payload, creation_data
from zevm.chain.zvm.outcomes import Status, status_of
from zevm.rpc.codec import objects, scalars
from zevm.rpc.codec.objects import TransactionArguments, decode_fields
from zevm.rpc.codec.results import Json, hexadecimal, optional_bytes
from zevm.rpc.errors import ChainIdError, InvalidParamsError
from zevm.rpc.methods.eth.sending import send, with_sender
from zevm.rpc.methods.support.filling import call_request, execution_deadline
from zevm.rpc.methods.zvm.modules import machine_of, status_json
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.rpc.wallet import UnknownAccountError
from zevm.storage.primitives import Address, Hash32


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment's input. payload: the constructor's whole call data. constructor: only its ABI-encoded arguments."""

    module: bytes
    constructor: bytes | None = None
    payload: bytes | None = None
    compress: bool = False
    transaction: TransactionArguments = field(default_factory=TransactionArguments)

    @property
    def call_data(self) -> bytes | None:
        """The constructor's call data; None for no constructor call."""
        return self.payload if self.constructor is None else constructor_payload(self.constructor)


_DEPLOYMENT_FIELDS: dict[str, tuple[str, scalars.Decoder]] = {
    "module": ("module", scalars.data),
    "constructorArguments": ("constructor", scalars.data),
    "initPayload": ("payload", scalars.data),
    "compress": ("compress", scalars.boolean),
}
NOT_OF_A_DEPLOYMENT = ("to", "data", "input")
"""Fields of a transaction that a creation fills itself."""


@scalars.schema(type="object", title="Deployment", properties={name: {} for name in _DEPLOYMENT_FIELDS})
def deployment(value: object) -> Deployment:
    """{module, constructorArguments or initPayload, compress}, and the fields of eth_sendTransaction."""
    decoded = decode_fields(value, _DEPLOYMENT_FIELDS)
    if "module" not in decoded:
        raise InvalidParamsError("missing field 'module' for a deployment")
    if "constructor" in decoded and "payload" in decoded:
        raise InvalidParamsError("cannot specify both constructorArguments and initPayload, choose one or the other")
    rest = {name: item for name, item in scalars.json_object(value).items() if name not in NOT_OF_A_DEPLOYMENT}
    return Deployment(**decoded, transaction=objects.transaction_arguments(rest))


@method(
    "zvm_deployContract",
    cost=Cost.WRITE,
    shares_sync=True,
    params=(
        Param("deployment", deployment, summary="{module, constructorArguments, compress, from, gas, value, ...}"),
    ),
    result="{status, statusCode, address, transactionHash, gasLimit, gasUsed, error, rule, returnValue}",
)
def deploy_contract(services: Services, wanted: Deployment) -> Json:
    """Check a module and send its creation from one of the node's accounts; status is null while it is pending."""
    try:
        data = creation_data(wanted.module, wanted.call_data, compress=wanted.compress)
    except ModuleRefusedError as error:
        return _not_sent(Status.INVALID_MODULE, error.message, rule=error.rule)
    return deploy_creation(services, data, wanted.transaction)


def deploy_creation(services: Services, data: bytes, wanted: TransactionArguments) -> Json:
    """Check creation data of a module and send them, on the writer; the answer of zvm_deployContract."""
    chain = services.chain
    try:
        deployment_price(data, machine_of(services).price_table, chain.spec.of(chain.next_header()))
    except ModuleRefusedError as error:
        return _not_sent(Status.INVALID_MODULE, error.message, rule=error.rule)
    transaction = wanted._replace(data=data)
    reports: dict[bytes, TransactionReport] = {}

    def note(event: Event) -> None:
        for record in event.added if isinstance(event, HeadChanged) else ():
            mined = (item.hash for item in record.block.transactions)
            reports.update(zip(mined, record.reports, strict=False))

    cancel = chain.events.subscribe_early(note)
    try:
        transaction = with_sender(services, transaction)
        transaction_hash = send(services, transaction)
    except TransactionError as error:
        if error.reason not in AUTHENTICATION_FAILURES:
            raise
        return _not_sent(Status.AUTHENTICATION_FAILED, error.message)
    except (UnknownAccountError, ChainIdError) as error:
        return _not_sent(Status.AUTHENTICATION_FAILED, str(error))
    except (ExecutionRevertedError, ExecutionFailedError, ExecutionTimeoutError) as error:
        return _refused_by_estimate(services, transaction, error)
    finally:
        cancel()
    return _sent(services, transaction_hash, reports.get(transaction_hash))


def _sent(services: Services, transaction_hash: Hash32, report: TransactionReport | None) -> Json:
    chain = services.chain
    if report is None:
        waiting = chain.pool.get(transaction_hash)
        assert waiting is not None
        return {"status": None, "statusCode": None} | _answer(
            address=contract_address(waiting.sender, waiting.nonce),
            transaction_hash=transaction_hash,
            gas_limit=waiting.gas_limit,
        )
    position = chain.find_transaction(transaction_hash)
    assert position is not None
    receipts = chain.receipts(position.block.hash)
    assert receipts is not None
    receipt = receipts[position.index]
    status = status_of(report.fault)
    return status_json(status) | _answer(
        address=receipt.contract_address if status is Status.SUCCESS else None,
        transaction_hash=transaction_hash,
        gas_limit=position.transaction.gas_limit,
        gas_used=receipt.gas_used,
        error=None if report.fault is None else report.fault.message,
        output=b"" if status is Status.SUCCESS else report.output,
    )


def _not_sent(status: Status, error: str, *, rule: str | None = None, output: bytes = b"") -> Json:
    return status_json(status) | _answer(error=error, rule=rule, output=output)


def _refused_by_estimate(services: Services, transaction: TransactionArguments, error: Exception) -> Json:
    """Why the creation fails at every gas limit: the estimate gives the text, one more execution the kind."""
    if isinstance(error, ExecutionTimeoutError):
        return _not_sent(Status.TIMEOUT, str(error) or "execution aborted")
    request = call_request(services, transaction, default_gas=services.limits.call_gas)
    try:
        outcome = call(services.chain.frame_at(PENDING), request, deadline=execution_deadline(services))
    except ExecutionTimeoutError:
        return _not_sent(Status.TIMEOUT, "execution aborted")
    if outcome.error is None:
        # it succeeds with more than a transaction may have
        return _not_sent(Status.OUT_OF_GAS, str(error))
    return _not_sent(status_of(outcome.error), outcome.error.message, output=outcome.output)


def _answer(
    *,
    address: Address | None = None,
    transaction_hash: Hash32 | None = None,
    gas_limit: int | None = None,
    gas_used: int | None = None,
    error: str | None = None,
    rule: str | None = None,
    output: bytes = b"",
) -> Json:
    return {
        "address": optional_bytes(address),
        "transactionHash": optional_bytes(transaction_hash),
        "gasLimit": None if gas_limit is None else hex(gas_limit),
        "gasUsed": None if gas_used is None else hex(gas_used),
        "error": error,
        "rule": rule,
        "returnValue": hexadecimal(output),
    }
