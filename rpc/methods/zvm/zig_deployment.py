"""zvm_deployZigContract: compile a client's Zig source in a sandbox and deploy the contract."""

import asyncio
from collections.abc import Sequence
from typing import Any

from zevm.contracts.constructor_arguments import constructor_arguments
from zevm.contracts.errors import (
    BuildError,
    BuildTimeoutError,
    CompilerBusyError,
    ConstructorArgumentsError,
    SandboxError,
)
from zevm.contracts.guide_source import ContractNameError
from zevm.rpc.codec import objects, scalars
from zevm.rpc.codec.objects import TransactionArguments
from zevm.rpc.codec.results import Json
from zevm.rpc.errors import (
    CompilationFailedError,
    InvalidParamsError,
    LimitExceededError,
    MethodNotFoundError,
    ServerError,
    told,
)
from zevm.rpc.memory.sources import CLIENT, source_of
from zevm.rpc.methods.support.reading import on_writer
from zevm.rpc.methods.zvm.deployment import NOT_OF_A_DEPLOYMENT, deploy_creation
from zevm.rpc.methods.zvm.modules import machine_of
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services

_NAME = "zvm_deployZigContract"


@scalars.schema(anyOf=[{"type": "string"}, {"type": "array"}])
def arguments(value: object) -> bytes | list[Any]:
    """ABI-encoded bytes, or a list of JSON values."""
    return value if isinstance(value, list) else scalars.data(value)


@scalars.schema(type="object", title="Transaction")
def transaction(value: object) -> TransactionArguments:
    """The fields of eth_sendTransaction, but for the recipient and the data."""
    rest = {name: item for name, item in scalars.json_object(value).items() if name not in NOT_OF_A_DEPLOYMENT}
    return objects.transaction_arguments(rest)


@method(
    _NAME,
    cost=Cost.ASYNC,
    params=(
        Param("name", scalars.string, summary="the contract's name"),
        Param("source", scalars.string, summary="Zig, which imports `covenant` alone; empty for the library's token"),
        Param("arguments", arguments, default=None, summary="of the constructor: ABI-encoded, or a list of values"),
        Param("transaction", transaction, default=None, summary="{from, gas, value, ...}"),
    ),
    result="{status, statusCode, address, transactionHash, gasLimit, gasUsed, error, rule, returnValue, name, abi}",
)
async def deploy_zig_contract(
    services: Services,
    name: str,
    source: str,
    given: bytes | Sequence[Any] | None,
    wanted: TransactionArguments | None,
) -> Json:
    """Compile a Zig source in a sandbox and deploy the contract from one of the node's accounts."""
    machine_of(services)
    compiler = services.compiler
    if compiler is None:
        raise MethodNotFoundError(f"the method {_NAME} is not available: start the node with --zig-compiler")
    size, limit = len(source.encode(errors="surrogatepass")), services.limits.zig_source_bytes
    if size > limit:
        raise InvalidParamsError(f"a source of {size} bytes; --rpc-zig-source-bytes allows {limit}")
    try:
        client = CLIENT.get()
        artifact = await compiler.compile(name, source, None if client is None else source_of(client))
        if wanted is not None and wanted.value and artifact.constructor is None:
            raise InvalidParamsError(f"{artifact.name} has no constructor, which would take the {wanted.value} wei")
        data = artifact.bytecode + await asyncio.to_thread(constructor_arguments, artifact, given)
    except (ContractNameError, ConstructorArgumentsError) as error:
        raise InvalidParamsError(str(error)) from error
    except BuildError as error:
        raise CompilationFailedError(told(error), timed_out=isinstance(error, BuildTimeoutError)) from error
    except CompilerBusyError as error:
        raise LimitExceededError(told(error)) from error
    except SandboxError as error:
        raise ServerError(f"the compiler cannot be confined on the node's machine: {error}") from error
    answer = await on_writer(services, deploy_creation, services, data, wanted or TransactionArguments())
    return answer | {"name": artifact.name, "abi": artifact.abi}
