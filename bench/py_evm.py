"""py-evm as it comes, running one contract: what the node's own execution is measured against."""

import time

from eth.constants import BLANK_ROOT_HASH, ZERO_HASH32
from eth.db.atomic import AtomicDB
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun.transaction_context import CancunTransactionContext
from eth.vm.forks.prague.state import PragueState
from eth.vm.message import Message
from eth_typing import Address, BlockNumber

CONTRACT = Address(b"\x33" * 20)
SENDER = Address(b"\x11" * 20)
GAS_LIMIT = 1 << 40


class PyEvm:
    """A state with one contract in it; its slots are those that earlier calls left."""

    def __init__(self, code: bytes) -> None:
        context = ExecutionContext(
            coinbase=Address(bytes(20)),
            timestamp=1,
            block_number=BlockNumber(1),
            difficulty=0,
            mix_hash=ZERO_HASH32,
            gas_limit=GAS_LIMIT,
            prev_hashes=(),
            chain_id=31_337,
            base_fee_per_gas=1,
            excess_blob_gas=0,
        )
        self._code = code
        self._state = PragueState(AtomicDB(), context, BLANK_ROOT_HASH)
        self._state.set_code(CONTRACT, code)

    def gas_rate(self, data: bytes) -> float:
        """Million gas a second of one call, undone afterwards. Raises what the call failed with."""
        state = self._state
        message = Message(gas=GAS_LIMIT, to=CONTRACT, sender=SENDER, value=0, data=data, code=self._code)
        context = CancunTransactionContext(gas_price=1, origin=SENDER)
        snapshot = state.snapshot()
        started = time.thread_time()
        computation = state.computation_class.apply_message(state, message, context)
        seconds = time.thread_time() - started
        state.revert(snapshot)
        computation.raise_if_error()
        return computation.get_gas_used() / seconds / 1e6
