"""eth-tester's backend on a node of this process: its chain makes blocks on request, and what it waits with is pending.

The interface is that of eth-tester's PyEVMBackend, whose suites run on this one unchanged.
"""

import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from coincurve import PrivateKey
from eth_abi import abi
from eth_abi.exceptions import DecodingError
from eth_tester.backends.base import BaseChainBackend
from eth_tester.exceptions import (
    BlockNotFound,
    SnapshotNotFound,
    TransactionFailed,
    TransactionNotFound,
    ValidationError,
)
from rlp.exceptions import DecodingError as RlpDecodingError

from zevm.chain.errors import RefusalError, UnknownBlockError
from zevm.chain.rules.forks import LATEST_FORK, Fork, fork_by_name
from zevm.chain.types import Block, Receipt, Transaction
from zevm.chain.types.block_reference import BlockReference, BlockTag
from zevm.chain.vm.faults import UnrecognizedTransactionType
from zevm.node.client import CallFailedError
from zevm.node.embedded import Node
from zevm.node.errors import SettingsError
from zevm.node.eth_tester import accounts, values
from zevm.node.wallet import KeyWallet
from zevm.rpc.codec.results import hexadecimal
from zevm.storage.primitives import Address, Hash32

BlockId = int | str
ERROR_OF_A_STRING = bytes.fromhex("08c379a0")
"""The selector of Error(string)."""

MOST_FEE_HISTORY_BLOCKS = 1024
INVALID_PARAMETERS = -32602


class ZevmBackend(BaseChainBackend):  # type: ignore[misc]
    """An eth-tester backend; each has a node of its own, which goes with it, or at `close`.

    genesis_parameters: as `generate_genesis_params` gives them. genesis_state: accounts by address, as
    `generate_genesis_state` gives them. mnemonic, hd_path: whose keys sign, instead of 1, 2, 3. node: any parameter of
    zevm.Node, such as fork="cancun".
    """

    def __init__(
        self,
        genesis_parameters: Mapping[str, Any] | None = None,
        genesis_state: accounts.State | None = None,
        mnemonic: str | None = None,
        hd_path: str | None = None,
        **node: Any,
    ) -> None:
        count = None if genesis_state is None else len(genesis_state)
        keys = accounts.default_keys(count) if mnemonic is None else accounts.keys_of_mnemonic(mnemonic, count, hd_path)
        state = accounts.genesis_state(keys) if genesis_state is None else genesis_state
        parameters = accounts.genesis_parameters(genesis_parameters)
        fork = node.pop("fork", None)
        genesis = accounts.genesis_of(parameters, state, LATEST_FORK if fork is None else _fork(fork))
        self._keys = keys
        self._wallet = KeyWallet(keys)
        self._snapshots: dict[int, int] = {}
        self._tokens = 0
        self.node = Node(
            genesis=genesis.to_json(),
            mining="manual",
            accounts=0,
            safe_distance=0,
            finalized_distance=0,
            **node,
        ).open()
        self._finalizer = weakref.finalize(self, _close, self.node)

    @classmethod
    def from_mnemonic(
        cls,
        mnemonic: str,
        genesis_state_overrides: Mapping[str, Any] | None = None,
        num_accounts: int | None = None,
        genesis_parameters: Mapping[str, Any] | None = None,
        hd_path: str | None = None,
        **node: Any,
    ) -> "ZevmBackend":
        """A backend whose accounts are those of a BIP-39 phrase."""
        state = cls.generate_genesis_state(genesis_state_overrides, num_accounts, mnemonic, hd_path)
        return cls(genesis_parameters, state, mnemonic, hd_path, **node)

    @staticmethod
    def generate_genesis_params(overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The parameters of a genesis. Raises ValueError for an override that is none of them."""
        return accounts.genesis_parameters(overrides)

    @staticmethod
    def generate_genesis_state(
        overrides: Mapping[str, Any] | None = None,
        num_accounts: int | None = None,
        mnemonic: str | None = None,
        hd_path: str | None = None,
    ) -> dict[bytes, Any]:
        """The accounts of a genesis. Raises ValueError for an override that no account has."""
        keys = (
            accounts.default_keys(num_accounts)
            if mnemonic is None
            else accounts.keys_of_mnemonic(mnemonic, num_accounts, hd_path)
        )
        return accounts.genesis_state(keys, overrides)

    def __repr__(self) -> str:
        return f"<ZevmBackend on block {self.node.chain.head.number}>"

    def close(self) -> None:
        """Close the node. Idempotent."""
        self._finalizer()

    # snapshots

    def take_snapshot(self) -> int:
        """Remember everything as it is; the snapshot may be returned to any number of times."""
        chain = self.node.chain
        token, number = next(reversed(self._snapshots.items()), (0, None))
        if number is not None and chain.writer.run_short(chain.is_at, number):
            return token
        self._tokens += 1
        self._snapshots[self._tokens] = chain.writer.run_short(chain.snapshot)
        return self._tokens

    def revert_to_snapshot(self, snapshot: int) -> None:
        """Return to a snapshot. Raises SnapshotNotFound where an earlier one was returned to since it was taken."""
        chain = self.node.chain
        number = self._snapshots.get(snapshot)
        if number is None or not chain.writer.run_short(chain.revert, number):
            raise SnapshotNotFound(f"No snapshot found for id: {snapshot}")
        self._snapshots = {token: kept for token, kept in self._snapshots.items() if kept < number}
        # the chain uses a snapshot up
        self._snapshots[snapshot] = chain.writer.run_short(chain.snapshot)

    def reset_to_genesis(self) -> None:
        """Begin the chain again, with the accounts of its beginning."""
        chain = self.node.chain
        chain.writer.run(chain.reset)
        self._wallet = KeyWallet(self._keys)
        self._snapshots.clear()

    # time and blocks

    def time_travel(self, to_timestamp: int) -> int:
        """Make a block, so that the one after it has the timestamp."""
        self.node.request("evm_setNextBlockTimestamp", to_timestamp - 1)
        self.mine_blocks()
        self.node.request("evm_setNextBlockTimestamp", to_timestamp)
        return to_timestamp

    def mine_blocks(self, num_blocks: int = 1, coinbase: bytes = bytes(20)) -> tuple[bytes, ...]:
        """Make blocks, the first with what is pending; their hashes."""
        self.node.request("anvil_setCoinbase", hexadecimal(coinbase))
        chain = self.node.chain
        return tuple(bytes(record.block.hash) for record in chain.writer.run(chain.mine, num_blocks))

    def get_block_by_number(self, block_number: BlockId, full_transaction: bool = True) -> dict[str, Any]:
        """A block by number or tag. Raises BlockNotFound."""
        block, _ = self._record(block_number)
        return values.block_to(block, full=full_transaction, pending=block_number == "pending")

    def get_block_by_hash(self, block_hash: bytes, full_transaction: bool = True) -> dict[str, Any]:
        """A canonical block by hash. Raises BlockNotFound."""
        block = self.node.chain.block_by_hash(Hash32(block_hash))
        if block is None or self.node.chain.records.canonical_hash(block.header.number) != block_hash:
            raise BlockNotFound(f"No block found for block hash: {hexadecimal(block_hash)}")
        return values.block_to(block, full=full_transaction, pending=False)

    def get_fee_history(
        self, block_count: int = 1, newest_block: BlockId = "latest", reward_percentiles: Sequence[int] = ()
    ) -> dict[str, Any]:
        """Base fees and fullness of the blocks before one, the newest first and without tips, as eth-tester has it."""
        del reward_percentiles
        if isinstance(block_count, int) and not 1 <= block_count <= MOST_FEE_HISTORY_BLOCKS:
            raise ValidationError(f"block_count must be between 1 and {MOST_FEE_HISTORY_BLOCKS}")
        block, _ = self._record("latest" if newest_block == "pending" else newest_block)
        number = block.header.number
        headers = [self._record(at)[0].header for at in range(number - 1, max(-1, number - 1 - block_count), -1)]
        return {
            "oldest_block": 1,
            "base_fee_per_gas": [header.base_fee_per_gas for header in headers],
            "gas_used_ratio": [header.gas_used / header.gas_limit for header in headers],
            "reward": [],
        }

    def _record(self, block_number: BlockId) -> tuple[Block, tuple[Receipt, ...]]:
        chain = self.node.chain
        if block_number == "pending":
            pending = chain.writer.run(chain.pending)
            return pending.block, pending.receipts
        try:
            header = chain.resolve(_reference(block_number))
        except (UnknownBlockError, ValueError, TypeError):
            raise BlockNotFound(f"No block found for block number: {block_number}") from None
        block, receipts = chain.block_by_hash(header.hash), chain.receipts(header.hash)
        if block is None:
            raise BlockNotFound(f"No block found for block number: {block_number}")
        return block, receipts or ()

    # accounts

    def get_accounts(self) -> tuple[bytes, ...]:
        """The accounts that transactions are signed for."""
        return tuple(bytes(address) for address in self._wallet.addresses())

    def add_account(self, private_key: bytes) -> None:
        """Sign for one more account."""
        self._wallet.add(PrivateKey(private_key))

    def get_nonce(self, account: bytes, block_number: BlockId = "latest") -> int:
        """The number of the next transaction."""
        return int(self._read("eth_getTransactionCount", hexadecimal(account), block_number), 16)

    def get_balance(self, account: bytes, block_number: BlockId = "latest") -> int:
        """The balance in wei."""
        return int(self._read("eth_getBalance", hexadecimal(account), block_number), 16)

    def get_code(self, account: bytes, block_number: BlockId = "latest") -> bytes:
        """The code of a contract."""
        return bytes.fromhex(self._read("eth_getCode", hexadecimal(account), block_number)[2:])

    def get_storage(self, account: bytes, slot: int, block_number: BlockId = "latest") -> int:
        """A slot of a contract's storage."""
        number = _named(block_number)
        return int(self._read("eth_getStorageAt", hexadecimal(account), hex(slot), number), 16)

    def get_base_fee(self, block_number: BlockId = "latest") -> int:
        """The base fee of a block in wei per gas."""
        return self._record(block_number)[0].header.base_fee_per_gas or 0

    def _read(self, method: str, *arguments: Any) -> str:
        *before, block_number = arguments
        try:
            answer: str = self.node.request(method, *before, _named(block_number))
        except CallFailedError as error:
            raise BlockNotFound(f"No block found for block number: {block_number}: {error}") from error
        return answer

    # transactions

    def get_transaction_by_hash(self, transaction_hash: bytes) -> dict[str, Any]:
        """A mined or pending transaction. Raises TransactionNotFound."""
        block, _, index, pending = self._find(transaction_hash)
        return values.transaction_to(block.transactions[index], None if pending else block, None if pending else index)

    def get_transaction_receipt(self, transaction_hash: bytes) -> dict[str, Any]:
        """The receipt of a mined or pending transaction. Raises TransactionNotFound."""
        block, receipts, index, pending = self._find(transaction_hash)
        return values.receipt_to(block, receipts, index, pending=pending)

    def _find(self, transaction_hash: bytes) -> tuple[Block, tuple[Receipt, ...], int, bool]:
        chain = self.node.chain
        place = chain.find_transaction(Hash32(transaction_hash))
        if place is not None:
            return place.block, chain.receipts(place.block.hash) or (), place.index, False
        block, receipts = self._record("pending")
        for index, waiting in enumerate(block.transactions):
            if waiting.hash == transaction_hash:
                return block, receipts, index, True
        raise TransactionNotFound(f"No transaction found for transaction hash: {hexadecimal(transaction_hash)}")

    def send_transaction(self, transaction: Mapping[str, Any]) -> bytes:
        """Sign a transaction for one of the accounts and put it into the pending block. Raises ValidationError."""
        sender = Address(transaction["from"])
        if sender not in self._wallet.addresses():
            raise ValidationError(
                f"no key for {hexadecimal(sender)}: send from one of get_accounts(), or give its key to add_account"
            )
        return self._send(self._wallet.sign_transaction(sender, self._transaction(transaction)))

    def send_signed_transaction(self, transaction: Mapping[str, Any]) -> bytes:
        """Put a transaction with its signature into the pending block. Raises ValidationError."""
        return self._send(self._transaction(transaction))

    def send_raw_transaction(self, raw_transaction: bytes) -> bytes:
        """Put an encoded transaction into the pending block.

        Raises ValidationError, RlpDecodingError for what is no encoding, and py-evm's UnrecognizedTransactionType.
        """
        try:
            transaction = Transaction.decode(bytes(raw_transaction))
        except ValueError as error:
            if raw_transaction and raw_transaction[0] < 0x80 and not 1 <= raw_transaction[0] <= 4:
                raise UnrecognizedTransactionType(raw_transaction[0], str(error)) from error
            raise RlpDecodingError(str(error), raw_transaction) from error
        return self._send(transaction)

    def _transaction(self, given: Mapping[str, Any]) -> Transaction:
        chain = self.node.chain
        nonce = given["nonce"] if "nonce" in given else self.get_nonce(given["from"], "pending")
        base_fee = chain.head.header.base_fee_per_gas or 0
        return values.transaction_from(given, chain_id=chain.chain_id, nonce=nonce, base_fee_wei=base_fee)

    def _send(self, transaction: Transaction) -> bytes:
        chain = self.node.chain

        def add() -> None:
            chain.send_transaction(transaction, local=True)
            if transaction not in chain.pending().block.transactions:
                chain.drop_transaction(transaction.hash)
                raise ValidationError(
                    f"the next block cannot hold the transaction: its nonce {transaction.nonce} is not the account's "
                    f"next one, its gas {transaction.gas_limit} is more than the block has left, or its fee cap "
                    f"{transaction.max_fee_per_gas} wei is below the base fee {chain.next_base_fee()}"
                )

        try:
            chain.writer.run(add)
        except RefusalError as error:
            raise ValidationError(str(error)) from error
        return bytes(transaction.hash)

    def estimate_gas(self, transaction: Mapping[str, Any], block_number: BlockId = "latest") -> int:
        """The gas limit with which a transaction succeeds. Raises TransactionFailed."""
        given = {name: value for name, value in transaction.items() if name != "gas"}
        return int(self._execute("eth_estimateGas", given, block_number), 16)

    def call(self, transaction: Mapping[str, Any], block_number: BlockId = "latest") -> bytes:
        """The bytes that a call returns. Raises TransactionFailed with the reason."""
        return bytes.fromhex(self._execute("eth_call", transaction, block_number)[2:])

    def _execute(self, method: str, transaction: Mapping[str, Any], block_number: BlockId) -> str:
        try:
            answer: str = self.node.request(method, values.call_from(transaction), _named(block_number))
        except CallFailedError as error:
            _raise_failure(error)
        return answer


def _raise_failure(error: CallFailedError) -> NoReturn:
    """Raise what eth-tester's callers expect: the text of Error(string), any other data as the text of its bytes."""
    if error.code == INVALID_PARAMETERS:
        raise ValidationError(str(error)) from error
    if not isinstance(error.data, str):
        raise TransactionFailed(str(error)) from error
    data = bytes.fromhex(error.data[2:])
    reason = str(data)
    if data[:4] == ERROR_OF_A_STRING:
        with suppress(DecodingError, UnicodeDecodeError, OverflowError):
            (reason,) = abi.decode(["string"], data[4:])
    raise TransactionFailed(reason) from error


def _fork(name: str) -> Fork:
    try:
        return fork_by_name(name)
    except ValueError as error:
        raise SettingsError(f"fork: {name!r}: {error}") from error


def _reference(block_number: BlockId) -> BlockReference:
    if isinstance(block_number, str):
        return BlockReference(tag=BlockTag(block_number))
    return BlockReference(number=int(block_number))


def _named(block_number: BlockId) -> str:
    return block_number if isinstance(block_number, str) else hex(block_number)


def _close(node: Node) -> None:
    """Close the node on a thread of its own: the collector may run on one of the node's, which cannot wait for it."""
    threading.Thread(target=node.close, name="zevm-close").start()
