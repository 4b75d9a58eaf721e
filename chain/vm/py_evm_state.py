"""The state object that py-evm's opcodes talk to: an ExecutionState and the block around it."""

from types import SimpleNamespace
from typing import Any

from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.vm.interface import BlockContext
from zevm.storage.primitives import Address, Hash32

_NO_HASH = Hash32(b"")


class PyEvmState:
    """The interface of `computation.state` for py-evm's opcodes, and of accounts for frames."""

    __slots__ = (
        "account_is_empty",
        "base_fee",
        "blob_base_fee",
        "block_fields",
        "block_number",
        "block_state",
        "code_size_limit",
        "coinbase",
        "difficulty",
        "execution_context",
        "fork",
        "gas_limit",
        "get_balance",
        "get_code",
        "get_code_hash",
        "has_empty_accounts",
        "mark_address_warm",
        "mix_hash",
        "resolve_block_hash",
        "timestamp",
    )

    def __init__(self, state: ExecutionState, context: BlockContext, *, has_empty_accounts: bool) -> None:
        """`has_empty_accounts`: the rules before EIP-161, where touching an account creates it."""
        self.block_state = state
        self.has_empty_accounts = has_empty_accounts
        self.account_is_empty = state.account_is_empty
        self.get_balance = state.get_balance
        self.get_code = state.get_code
        self.get_code_hash = state.get_code_hash
        self.mark_address_warm = state.warm_address
        self.execution_context = SimpleNamespace(chain_id=context.rules.chain_id)
        self.fork = context.rules.fork
        self.coinbase = context.coinbase
        self.timestamp = context.timestamp
        self.block_number = context.number
        self.difficulty = context.difficulty
        self.gas_limit = context.gas_limit
        self.mix_hash = context.prev_randao
        self.base_fee = context.base_fee_per_gas or 0
        self.blob_base_fee = context.blob_base_fee or 0
        self.code_size_limit = context.code_size_limit
        self.resolve_block_hash = context.block_hash
        self.block_fields: tuple[Any, ...] | None = None
        """The facts of the block that the core has received, once it has."""

    def get_ancestor_hash(self, number: int) -> Hash32:
        """The hash of one of the 256 blocks before this one; b"" for any other number."""
        if self.block_number - 256 <= number < self.block_number:
            return self.resolve_block_hash(number)
        return _NO_HASH

    def touch_account(self, address: Address) -> None:
        """An empty account touched goes at the end of the transaction (EIP-161); before that, it came to be."""
        if self.has_empty_accounts:
            self.block_state.create_empty(address)
        else:
            self.block_state.touch(address)

    def has_code_or_nonce(self, address: Address) -> bool:
        """Whether a creation at the address collides (EIP-684, EIP-7610)."""
        state = self.block_state
        return bool(state.get_nonce(address) or state.get_code(address) or state.has_storage(address))

    def get_storage(self, address: Address, slot: int, from_journal: bool = True) -> int:
        """The slot's present value; with from_journal=False its value when the transaction began."""
        if from_journal:
            return self.block_state.get_storage(address, slot)
        return self.block_state.get_original_storage(address, slot)

    def set_storage(self, address: Address, slot: int, value: int) -> None:
        """Set a slot."""
        self.block_state.set_storage(address, slot, value)

    def is_address_warm(self, address: Address) -> bool:
        """Whether the transaction accessed the address (EIP-2929)."""
        return self.block_state.is_warm(address)
