"""The block as its transactions see it, and the node's parts that serve them."""

from dataclasses import dataclass, field, replace
from typing import Any

from zevm.chain.vm.engines.engine import Engine, default_engine
from zevm.chain.vm.frame import WasmMachine
from zevm.chain.vm.interface import BlockContext
from zevm.chain.vm.tracer import Watcher
from zevm.core.records import quick_init


@quick_init
@dataclass(frozen=True, slots=True)
class BlockEnvironment(BlockContext):
    """A BlockContext with what a chain adds to it.

    recoveries: (65-byte signature, address that the ecrecover precompile shall find in it), for development.
    wasm_machine: the machine of WebAssembly contracts, None where the chain has none. watcher: makes the tracer of each
    execution that has no other; None for none. engine: what messages run on. made: what follows from the block, kept by
    who has made it.
    """

    recoveries: tuple[tuple[bytes, bytes], ...] = ()
    wasm_machine: WasmMachine | None = None
    watcher: Watcher | None = None
    engine: Engine = field(default_factory=default_engine)
    made: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    def of_pending_state(self) -> "BlockEnvironment":
        """The same for executions of which no block remains: their watcher is told so."""
        watcher = self.watcher
        if watcher is None:
            return self
        return replace(self, watcher=lambda purpose: watcher(f"{purpose}, on the pending state,"))
