"""The guide's eight statuses, and which one an outcome of the chain is."""

from enum import Enum

from zevm.chain.vm.interface import VmError, VmErrorKind

NO_SUCH_FUNCTION = 2
"""An entry point's conventional result for an unknown selector."""


class Status(Enum):
    """How an execution ended; `number` is the guide's."""

    SUCCESS = "success"
    OUT_OF_GAS = "out_of_gas"
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    INVALID_FUNCTION = "invalid_function"
    RUNTIME_ERROR = "runtime_error"
    INVALID_MODULE = "invalid_module"
    AUTHENTICATION_FAILED = "authentication_failed"

    @property
    def number(self) -> int:
        """0 to 7, in the order above."""
        return _NUMBERS[self]


_NUMBERS = {status: number for number, status in enumerate(Status)}

_BY_KIND = {
    VmErrorKind.OUT_OF_GAS: Status.OUT_OF_GAS,
    VmErrorKind.CODE_STORE_OUT_OF_GAS: Status.OUT_OF_GAS,
    VmErrorKind.OUT_OF_STACK: Status.OUT_OF_GAS,
    VmErrorKind.OUT_OF_MEMORY: Status.OUT_OF_MEMORY,
    VmErrorKind.INVALID_MODULE: Status.INVALID_MODULE,
    VmErrorKind.NO_SUCH_FUNCTION: Status.INVALID_FUNCTION,
}


def status_of(error: VmError | None) -> Status:
    """The status of an executed call or creation: None is success."""
    if error is None:
        return Status.SUCCESS
    if error.status == NO_SUCH_FUNCTION:
        return Status.INVALID_FUNCTION
    return _BY_KIND.get(error.kind, Status.RUNTIME_ERROR)
