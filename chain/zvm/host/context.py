"""One running WebAssembly frame: the data that its host functions use in addition to the instance's memory."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from zevm.chain.vm.host_interface import Frame, OutOfGas, VMError
from zevm.chain.zvm.faults import HostTrapError, OutOfInkError
from zevm.chain.zvm.price_table import INK_PER_GAS
from zevm.chain.zvm.runtime.instance import Instance
from zevm.chain.zvm.scope import Entry, TransactionScope

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class HostContext:
    """The context of a run.

    data: call data. entry: the function that runs. output: what write_result set, None as long as nothing did.
    pages: open in this instance. stack_words: given to it.
    values, stored: the storage cache by 32-byte key: as the contract sees it, and as the trie has it where known.
    unflushed: keys written since the last flush, in order. loads, writes: how often the cache was asked.
    """

    __slots__ = (
        "data",
        "entry",
        "frame",
        "loads",
        "output",
        "pages",
        "prices",
        "scope",
        "stack_words",
        "stored",
        "unflushed",
        "values",
        "writes",
    )

    def __init__(self, frame: Frame, scope: TransactionScope, data: bytes, entry: Entry) -> None:
        self.frame = frame
        self.scope = scope
        self.prices = scope.price_table.host_functions
        self.data = data
        self.entry = entry
        self.output: bytes | None = None
        self.pages = 0
        self.stack_words = 0
        self.values: dict[bytes, bytes] = {}
        self.stored: dict[bytes, bytes] = {}
        self.unflushed: dict[bytes, None] = {}
        self.loads = 0
        self.writes = 0

    def with_gas(
        self,
        instance: Instance,
        action: Callable[Concatenate[Frame, Arguments], Result],
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Result:
        """Call `action(frame, ...)`, which charges gas, and let the instance's ink pay for it.

        Running out is the instance's running out; any other fault of the EVM is a trap of the contract.
        """
        frame = self.frame
        frame.gas_left, rest = divmod(instance.ink_left, INK_PER_GAS)
        try:
            return action(frame, *arguments, **options)
        except OutOfGas as fault:
            raise OutOfInkError(f"a host function has too little gas: {fault}") from fault
        except VMError as fault:
            raise HostTrapError(str(fault)) from fault
        finally:
            instance.ink_left = frame.gas_left * INK_PER_GAS + rest

    def charge_gas(self, instance: Instance, gas: int) -> None:
        """Debit gas. Raises OutOfInkError."""
        instance.charge(gas * INK_PER_GAS)

    def refuse_static(self, what: str) -> None:
        """Raise HostTrapError in a static call."""
        if self.frame.is_static:
            raise HostTrapError(f"{what} in a static call")

    def require_gas(self, instance: Instance, gas: int) -> None:
        """Raise OutOfInkError unless this much gas remains; nothing is charged."""
        if instance.ink_left < gas * INK_PER_GAS:
            raise OutOfInkError(f"{gas} gas must be left, {instance.ink_left // INK_PER_GAS} are")
