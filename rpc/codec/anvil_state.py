"""Anvil's state files (`--dump-state`, anvil_dumpState), versions 0.2 to 1.8, as the chain's own objects.

0.2   blocks with bare transactions ({"EIP1559": {...}}), numbers as hex, `ommersHash` and `beneficiary` in headers
0.2+  the same transactions within {"transaction", "impersonated_sender"}; what became of each under `transactions`
1.x   transactions as eth_getTransactionByHash gives them
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zevm.chain.events import BlockAndReceipts
from zevm.chain.rules.genesis import GenesisAccount
from zevm.chain.types import Block, Header, Receipt, Transaction
from zevm.chain.types.receipt import logs_bloom
from zevm.rpc.codec import foreign_blocks, objects, results, scalars
from zevm.rpc.codec.foreign_blocks import BlobPrice
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.rpc.errors import InvalidParamsError
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.primitives import Address, Hash32
from zevm.storage.rlp import RlpError

EMPTIED = "storageEmptied"
"""Member of an account whose storage a fork has emptied: slots of the forked block are gone. Not Anvil's."""


@dataclass(frozen=True, slots=True)
class SavedState:
    """A file's content. history: linked blocks up to the newest; left_out: how many blocks precede them.

    states: the accounts after some of the blocks before the newest, by number. emptied: see EMPTIED.
    """

    accounts: Mapping[Address, GenesisAccount]
    emptied: Sequence[Address]
    history: tuple[BlockAndReceipts, ...]
    left_out: int
    timestamp: int | None
    states: Mapping[int, Mapping[Address, GenesisAccount]]


def read_saved_state(document: object, blob_price: BlobPrice) -> SavedState:
    """The content of a parsed state file. Raises InvalidParamsError, which names the invalid part."""
    content = scalars.json_object(document)
    members = {scalars.address(key): item for key, item in scalars.json_object(content.get("accounts")).items()}
    accounts = {address: _account(item) for address, item in members.items()}
    environment = content.get("block")
    timestamp = environment.get("timestamp") if type(environment) is dict else None
    blocks, outcomes = _blocks(content.get("blocks")), _outcomes(content.get("transactions"))
    history = tuple(_linked(blocks, outcomes, content.get("best_block_number"), blob_price))
    return SavedState(
        accounts=accounts,
        emptied=[address for address, item in members.items() if item.get(EMPTIED) is True],
        history=history[::-1],
        left_out=len(blocks) - len(history),
        timestamp=None if timestamp is None else scalars.number(timestamp),
        states=dict(
            _states(content.get("historical_states"), {item.block.hash: item.block.number for item in history[1:]})
        ),
    )


_OBJECTS = scalars.array_of(scalars.json_object)


def _objects(value: object) -> list[dict[str, Any]]:
    """The objects of an array; none if it is absent."""
    objects: list[dict[str, Any]] = _OBJECTS([] if value is None else value)
    return objects


def _account(value: object) -> GenesisAccount:
    account = scalars.json_object(value)
    return _saved(account, scalars.data(account.get("code") or "0x"), account.get("storage"))


def _saved(account: Mapping[str, Any], code: bytes, storage: object) -> GenesisAccount:
    slots = scalars.json_object(storage or {})
    return GenesisAccount(
        balance_wei=_bounded(account.get("balance"), scalars.MAX_UINT256, "balance"),
        nonce=_bounded(account.get("nonce"), scalars.MAX_UINT64, "nonce"),
        code=code,
        storage={scalars.storage_slot(slot): scalars.storage_slot(item) for slot, item in slots.items()},
    )


def _states(value: object, numbers: Mapping[Hash32, int]) -> Iterator[tuple[int, dict[Address, GenesisAccount]]]:
    """The states of `--preserve-historical-states`, [[block hash, {accounts, storage}]], of the blocks in `numbers`."""
    for pair in scalars.array_of(scalars.array_of(scalars.anything))([] if value is None else value):
        if len(pair) != 2:
            raise InvalidParamsError(
                f"historical states: expected pairs of a block hash and a state, got {len(pair)} items"
            )
        number = numbers.get(scalars.hash32(pair[0]))
        if number is None:
            continue
        state = scalars.json_object(pair[1])
        storage = scalars.json_object(state.get("storage") or {})
        accounts = {}
        for key, item in scalars.json_object(state.get("accounts")).items():
            account = _saved(scalars.json_object(item), _analyzed_code(item), storage.get(key))
            if account != GenesisAccount():
                accounts[scalars.address(key)] = account
        yield number, accounts


def _analyzed_code(account: Mapping[str, Any]) -> bytes:
    """The code for an account's code hash, from revm's forms: the bytes may be padded past their length."""
    code_hash = scalars.hash32(account.get("code_hash"))
    if code_hash == EMPTY_KECCAK:
        return b""
    forms = account.get("code")
    for form in forms.values() if type(forms) is dict else [forms]:
        parts = form if type(form) is dict else {"bytecode": form}
        length = parts.get("original_len")
        code: bytes = scalars.data(parts.get("bytecode", parts.get("raw")))[: length if type(length) is int else None]
        if keccak256(code) == code_hash:
            return code
    raise InvalidParamsError(f"historical states: no code has the hash 0x{code_hash.hex()}")


def _bounded(value: object, limit: int, name: str) -> int:
    number = scalars.number(value or 0)
    if number > limit:
        raise InvalidParamsError(f"{name} {number} is larger than {limit}")
    return number


def _linked(
    blocks: dict[Hash32, Block],
    outcomes: dict[tuple[Hash32, int], Receipt],
    best_number: object,
    blob_price: BlobPrice,
) -> Iterator[BlockAndReceipts]:
    """The newest block and its ancestors, newest first, as far as the file has them with all their receipts."""
    if not blocks:
        return
    newest = max(block.number for block in blocks.values()) if best_number is None else scalars.number(best_number)
    block = next((block for block in reversed(list(blocks.values())) if block.number == newest), None)
    while block is not None:
        receipts = [outcomes.get((block.hash, index)) for index in range(len(block.transactions))]
        known = [receipt for receipt in receipts if receipt is not None]
        if len(known) != len(receipts):
            return
        yield BlockAndReceipts(block, tuple(foreign_blocks.completed(block, known, blob_price)))
        parent = blocks.get(block.header.parent_hash)
        block = parent if parent is not None and parent.number == block.number - 1 else None


def _check_readable(block: Block) -> None:
    """Raise InvalidParamsError for a block that could be written but not read back: a number out of range."""
    try:
        Block.decode_body(Header.decode(block.header.encode(), gaps=True), block.encode_body())
    except RlpError as error:
        raise InvalidParamsError(f"block {block.number}: {error}") from None


def _blocks(value: object) -> dict[Hash32, Block]:
    """The blocks by hash."""
    blocks = {}
    for item in _objects(value):
        header = foreign_blocks.header(item.get("header"))
        where = f"block {header.number}"
        try:
            transactions = tuple([foreign_blocks.transaction(entry) for entry in _objects(item.get("transactions"))])
            withdrawals = item.get("withdrawals")
            decoded = None if withdrawals is None else scalars.tuple_of(objects.withdrawal)(withdrawals)
        except InvalidParamsError as error:
            raise InvalidParamsError(f"{where}: {error.message}") from None
        if header.withdrawals_root is not None:
            decoded = decoded or ()
        block = Block(header, transactions, (), decoded)
        _check_readable(block)
        blocks[block.hash] = block
    return blocks


def _outcomes(value: object) -> dict[tuple[Hash32, int], Receipt]:
    """The outcome of each transaction, by block hash and index; its gas is cumulative."""
    found = {}
    for item in _objects(value):
        information, receipt = scalars.json_object(item.get("info")), scalars.json_object(item.get("receipt"))
        logs = scalars.tuple_of(foreign_blocks.log)(receipt.get("logs") or [])
        contract, status = information.get("contract_address"), receipt.get("status", 1)
        place = scalars.hash32(item.get("block_hash")), scalars.number(information.get("transaction_index"))
        found[place] = Receipt(
            type=0,
            status=int(status) if type(status) is bool else _bounded(status, 1, "status"),
            cumulative_gas_used=_bounded(receipt.get("cumulativeGasUsed"), scalars.MAX_UINT64, "cumulativeGasUsed"),
            logs=logs,
            bloom=logs_bloom(logs),
            sender=scalars.address(information.get("from")),
            gas_used=0,
            effective_gas_price=0,
            contract_address=None if contract is None else scalars.address(contract),
        )
    return found


def block_json(record: BlockAndReceipts) -> Json:
    """A block in the format of Anvil 1.x's state files; with the header's hash, which Anvil ignores."""
    block = record.block
    withdrawals = block.withdrawals
    return {
        "header": results.header(block.header),
        "transactions": [
            _transaction_json(transaction, receipt.sender)
            for transaction, receipt in zip(block.transactions, record.receipts, strict=True)
        ],
        "ommers": [results.header(uncle) for uncle in block.uncles],
        "withdrawals": None if withdrawals is None else [results.withdrawal(item) for item in withdrawals],
    }


def _transaction_json(transaction: Transaction, sender: Address) -> Json:
    encoded = results.transaction(transaction, None, sender=sender)
    if not transaction.is_impersonated:
        return {"transaction": encoded, "impersonated_sender": None}
    return {"transaction": encoded | {"r": "0x0", "s": "0x0"}, "impersonated_sender": hexadecimal(sender)}


def transactions_json(record: BlockAndReceipts) -> Iterator[Json]:
    """The outcome of each transaction of a block in the format of Anvil 1.x's state files, without traces."""
    block = record.block
    for index, (transaction, receipt) in enumerate(zip(block.transactions, record.receipts, strict=True)):
        yield {
            "info": {
                "transaction_hash": hexadecimal(transaction.hash),
                "transaction_index": index,
                "from": hexadecimal(receipt.sender),
                "to": results.optional_bytes(transaction.to),
                "contract_address": results.optional_bytes(receipt.contract_address),
                "traces": [],
                "exit": "Stop" if receipt.status else "Revert",
                "out": None,
                "nonce": transaction.nonce,
                "gas_used": receipt.gas_used,
            },
            "receipt": {
                "type": hex(receipt.type),
                "status": hex(receipt.status or 0),
                "cumulativeGasUsed": hex(receipt.cumulative_gas_used),
                "logs": [
                    {
                        "address": hexadecimal(log.address),
                        "topics": [hexadecimal(topic) for topic in log.topics],
                        "data": hexadecimal(log.data),
                    }
                    for log in receipt.logs
                ],
                "logsBloom": hexadecimal(receipt.bloom),
            },
            "block_hash": hexadecimal(block.hash),
            "block_number": block.number,
        }
