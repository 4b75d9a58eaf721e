"""One outermost message with all that it needs, to run it on either engine away from its chain."""

from collections.abc import Collection
from dataclasses import dataclass

from zevm.chain.rules.forks import Fork, ForkRules
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines import native, py_evm
from zevm.chain.vm.engines.comparison import differences_of
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.fork_table import FRAME_CLASSES
from zevm.chain.vm.frame import Precompile, TransactionContext
from zevm.chain.vm.message import Message
from zevm.chain.vm.py_evm_state import PyEvmState
from zevm.storage.account import Account, StateReader
from zevm.storage.primitives import Address, Hash32


@dataclass(frozen=True, slots=True)
class Case:
    """A message, the block and transaction around it, and the state that it meets.

    precompiles, entries: what answers to calls, for py-evm and for the core. warm_addresses, warm_slots: what was
    accessed before. memory_words: see TransactionContext.
    """

    environment: BlockEnvironment
    message: Message
    origin: Address
    gas_price: int
    blob_hashes: tuple[bytes, ...]
    memory_words: int
    precompiles: dict[Address, Precompile]
    entries: bytes
    warm_addresses: Collection[Address]
    warm_slots: Collection[tuple[Address, int]]
    reader: StateReader

    @classmethod
    def of(cls, evm_state: PyEvmState, message: Message, context: TransactionContext) -> "Case":
        """That of a message which has not run yet; its reads are noted."""
        warm_addresses, warm_slots = evm_state.block_state.accessed()
        return cls(
            environment=_environment(evm_state),
            message=message,
            origin=context.origin,
            gas_price=context.gas_price,
            blob_hashes=context.blob_versioned_hashes,
            memory_words=context.memory_words,
            precompiles=context.precompiles,
            entries=context.precompile_entries,
            warm_addresses=warm_addresses,
            warm_slots=warm_slots,
            reader=RecordingReader(evm_state.block_state.fork_reader()),
        )

    def differences(self) -> list[str]:
        """Run the message on both engines, each on a state of its own; the differences."""
        reference = self._on_py_evm()
        found = self._on_core()
        return ["the core refuses the message"] if found is None else list(differences_of(found, reference))

    def _on_core(self) -> native.NativeRun | None:
        evm_state, context = self._start()
        return native.run(FRAME_CLASSES[Fork(evm_state.fork)], evm_state, self.message, context)

    def _on_py_evm(self) -> native.NativeRun:
        evm_state, context = self._start()
        checkpoint = evm_state.block_state.record()
        ending = py_evm.run(FRAME_CLASSES[Fork(evm_state.fork)], evm_state, self.message, context)
        return native.NativeRun(ending, context.spare_gas, evm_state.block_state.effects_since(checkpoint))

    def _start(self) -> tuple[PyEvmState, TransactionContext]:
        state = BlockState(self.reader)
        state.add_warm_addresses(self.warm_addresses)
        for address, slot in self.warm_slots:
            state.add_warm_slots(address, [slot])
        traits = FRAME_CLASSES[self.environment.rules.fork].traits
        evm_state = PyEvmState(state, self.environment, has_empty_accounts=traits.has_empty_accounts)
        context = TransactionContext(
            self.origin,
            self.gas_price,
            self.blob_hashes,
            self.precompiles,
            (),
            wasm_machine=self.environment.wasm_machine,
            precompile_entries=self.entries,
        )
        context.memory_words = self.memory_words
        return evm_state, context


class RecordingReader:
    """A StateReader that notes what it answers."""

    def __init__(self, reader: StateReader) -> None:
        self._reader = reader
        self.accounts: dict[Address, Account | None] = {}
        self.slots: dict[tuple[Address, int], int] = {}
        self.codes: dict[bytes, bytes] = {}

    @property
    def root(self) -> Hash32:
        """The root beneath."""
        return self._reader.root

    def account(self, address: Address) -> Account | None:
        """The account, noted."""
        found = self.accounts[address] = self._reader.account(address)
        return found

    def storage(self, address: Address, slot: int) -> int:
        """The slot's value, noted."""
        found = self.slots[address, slot] = self._reader.storage(address, slot)
        return found

    def code(self, code_hash: bytes) -> bytes:
        """The code, noted."""
        found = self.codes[code_hash] = self._reader.code(code_hash)
        return found


class RecordingHashes:
    """Hashes of past blocks, which are noted."""

    def __init__(self, evm_state: PyEvmState) -> None:
        self._resolve = evm_state.resolve_block_hash
        self.hashes: dict[int, Hash32] = {}

    def __call__(self, number: int) -> Hash32:
        """The hash, noted."""
        found = self.hashes[number] = self._resolve(number)
        return found


def _environment(evm_state: PyEvmState) -> BlockEnvironment:
    """The block as the message sees it, with the fees that a call may have set to nothing."""
    return BlockEnvironment(
        rules=ForkRules(Fork(evm_state.fork), evm_state.execution_context.chain_id),
        coinbase=evm_state.coinbase,
        number=evm_state.block_number,
        timestamp=evm_state.timestamp,
        gas_limit=evm_state.gas_limit,
        block_hash=RecordingHashes(evm_state),
        base_fee_per_gas=evm_state.base_fee,
        prev_randao=evm_state.mix_hash,
        difficulty=evm_state.difficulty,
        blob_base_fee=evm_state.blob_base_fee,
        code_size_limit=evm_state.code_size_limit,
    )
