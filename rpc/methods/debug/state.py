"""debug_: past states by their tries, accounts that blocks changed or read, the database, and rewinding."""

from typing import Any

from eth_utils.address import to_checksum_address

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.tracing import history
from zevm.chain.tracing.witness import make_witness
from zevm.chain.types import Block, Header
from zevm.chain.types.block_reference import LATEST, BlockReference, BlockTag
from zevm.chain.types.signatures import InvalidSignatureError
from zevm.rpc.codec import results, scalars
from zevm.rpc.codec.later import Later
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.rpc.errors import ServerError
from zevm.rpc.methods.support.reading import encode_block
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.primitives import FIRST_KEY, Address, Hash32, TrieKey

MAXIMUM_ACCOUNTS = 256
"""Accounts of one debug_accountRange, as in geth."""
MAXIMUM_SLOTS = 1_024
"""Slots of one debug_storageRangeAt; a higher count is lowered to it."""

BLOCK = Param("block", scalars.block_reference)
START = Param("start", scalars.data, default=FIRST_KEY)


def _find(services: Services, reference: BlockReference) -> Block:
    """The mined block of a reference. Raises ServerError."""
    chain = services.chain
    if reference.tag is BlockTag.PENDING:
        raise ServerError("pending state is not available")
    if reference.hash is not None:
        block, name = chain.block_by_hash(reference.hash), f"0x{reference.hash.hex()}"
    else:
        number = chain.number_of(reference)
        block, name = (chain.block_by_number(number) if number <= chain.head.number else None), f"#{number}"
    if block is None:
        raise ServerError(f"block {name} not found")
    return block


@method(
    "debug_storageRangeAt",
    cost=Cost.EXECUTION,
    params=(
        BLOCK,
        Param("txIndex", scalars.number),
        Param("address", scalars.address),
        Param("start", scalars.data),
        Param("maxResult", scalars.number),
    ),
    result="{storage, nextKey}",
)
def storage_range_at(
    services: Services,
    reference: BlockReference,
    index: int,
    address: Address,
    start: TrieKey,
    limit: int,
    *,
    deadline: Deadline,
) -> Json:
    """An account's slots just before a transaction of a block, by the hashes of their keys."""
    block = _find(services, reference)
    count = min(limit, MAXIMUM_SLOTS)
    entries, following = history.slot_range_within(services.chain, block, index, address, start, count, deadline)
    storage = {
        hexadecimal(entry.key): {
            "key": None if entry.slot is None else hexadecimal(entry.slot),
            "value": f"0x{entry.value:064x}",
        }
        for entry in entries
    }
    return {"storage": storage, "nextKey": results.optional_bytes(following)}


@method(
    "debug_accountRange",
    cost=Cost.EXECUTION,
    params=(
        Param("block", scalars.block_reference, default=LATEST),
        START,
        Param("maxResults", scalars.number, default=MAXIMUM_ACCOUNTS),
        Param("nocode", scalars.boolean, default=False),
        Param("nostorage", scalars.boolean, default=False),
        Param("incompletes", scalars.boolean, default=False, summary="include accounts without a known address"),
    ),
    result="{root, accounts, next}",
)
def account_range(
    services: Services,
    reference: BlockReference,
    start: TrieKey,
    limit: int,
    without_code: bool,
    without_storage: bool,
    incompletes: bool,
    *,
    deadline: Deadline,
) -> Json:
    """Accounts of a state, by the hashes of their addresses."""
    chain = services.chain
    header = _find(services, reference).header
    count = limit if 0 < limit <= MAXIMUM_ACCOUNTS else MAXIMUM_ACCOUNTS
    entries, following = history.account_range(chain, header, start, count, deadline)
    accounts = {}
    for entry in entries:
        if entry.address is None and not incompletes:
            continue
        name = f"pre({hexadecimal(entry.key)})" if entry.address is None else to_checksum_address(entry.address)
        shown = _dump_account(entry)
        if not without_code and (code := chain.database.state.code(entry.account.code_hash)):
            shown["code"] = hexadecimal(code)
        if not without_storage and entry.address is not None and entry.account.storage_root != EMPTY_ROOT:
            slots, _ = history.slot_range(chain, entry.key, entry.account.storage_root, FIRST_KEY, None, deadline)
            shown["storage"] = {
                hexadecimal(slot.slot): f"{slot.value:x}".zfill(2) for slot in slots if slot.slot is not None
            }
        accounts[name] = shown
    dump: Json = {"root": chain.canonical.root_of(header).hex(), "accounts": accounts}
    return dump if following is None else dump | {"next": hexadecimal(following)}


def _dump_account(entry: history.AccountEntry) -> Json:
    account = entry.account
    shown: Json = {
        "balance": str(account.balance),
        "nonce": account.nonce,
        "root": hexadecimal(account.storage_root),
        "codeHash": hexadecimal(account.code_hash),
        "key": hexadecimal(entry.key),
    }
    return shown if entry.address is None else shown | {"address": hexadecimal(entry.address)}


def _parent_and(services: Services, header: Header) -> tuple[Header, Header]:
    parent = services.chain.header_by_hash(header.parent_hash)
    if parent is None:
        raise ServerError(f"block {header.number:x} has no parent")
    return parent, header


def _modified(services: Services, start: Header, end: Header | None, deadline: Deadline) -> list[str]:
    first, last = _parent_and(services, start) if end is None else (start, end)
    return [hexadecimal(address) for address in history.modified_accounts(services.chain, first, last, deadline)]


@method(
    "debug_getModifiedAccountsByNumber",
    cost=Cost.EXECUTION,
    params=(Param("start", scalars.number), Param("end", scalars.number, default=None)),
    result="[address]",
)
def get_modified_accounts_by_number(
    services: Services, start: int, end: int | None, *, deadline: Deadline
) -> list[str]:
    """Accounts that differ between two blocks, or that one block changed."""
    first = services.chain.header_by_number(start)
    if first is None:
        raise ServerError(f"start block {start:x} not found")
    last = None if end is None else services.chain.header_by_number(end)
    if end is not None and last is None:
        raise ServerError(f"end block {end} not found")
    return _modified(services, first, last, deadline)


@method(
    "debug_getModifiedAccountsByHash",
    cost=Cost.EXECUTION,
    params=(Param("start", scalars.hash32), Param("end", scalars.hash32, default=None)),
    result="[address]",
)
def get_modified_accounts_by_hash(
    services: Services, start: Hash32, end: Hash32 | None, *, deadline: Deadline
) -> list[str]:
    """The accounts that differ between two blocks, or that one block changed, by the blocks' hashes."""
    first = services.chain.header_by_hash(start)
    if first is None:
        raise ServerError(f"start block {start.hex()} not found")
    last = None if end is None else services.chain.header_by_hash(end)
    if end is not None and last is None:
        raise ServerError(f"end block {end.hex()} not found")
    return _modified(services, first, last, deadline)


@method(
    "debug_intermediateRoots",
    cost=Cost.EXECUTION,
    params=(Param("blockHash", scalars.hash32), Param("config", scalars.anything, default=None)),
    result="[state root]",
)
def intermediate_roots(services: Services, block_hash: Hash32, config: Any, *, deadline: Deadline) -> list[str]:
    """The state root after each transaction of a block."""
    del config
    block = services.chain.block_by_hash(block_hash) or services.chain.bad_blocks.get(block_hash)
    if block is None:
        raise ServerError(f"block 0x{block_hash.hex()} not found")
    return [hexadecimal(root) for root in history.intermediate_roots(services.chain, block, deadline)]


@method("debug_getBadBlocks", cost=Cost.LIGHT, result="[{hash, block, rlp}]")
def get_bad_blocks(services: Services) -> Later:
    """The newest rejected blocks since the node's start."""
    return Later(_bad_blocks, services)


def _bad_blocks(services: Services) -> list[Json]:
    return [
        {
            "hash": hexadecimal(block.hash),
            "block": _encode_bad_block(services, block),
            "rlp": hexadecimal(block.encode()),
        }
        for block in services.chain.bad_blocks.values()
    ]


def _encode_bad_block(services: Services, block: Block) -> Json:
    try:
        return encode_block(services, block, full=True)
    except InvalidSignatureError:
        # what may be bad about it is that a sender cannot be told
        return encode_block(services, block, full=False)


@method("debug_preimage", cost=Cost.EXECUTION, params=(Param("hash", scalars.hash32),), result="bytes")
def preimage(services: Services, digest: Hash32, *, deadline: Deadline) -> str:
    """The address or slot whose hash is a trie key."""
    del deadline
    found = services.chain.database.state.preimage(TrieKey(digest))
    if found is None:
        raise ServerError("unknown preimage")
    return hexadecimal(found)


def _key(value: object) -> bytes:
    """Hex with or without 0x, else the text itself, as in geth's database keys."""
    text = scalars.string(value)
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        return text.encode()


@method("debug_dbGet", cost=Cost.EXECUTION, params=(Param("key", _key),), result="bytes")
def db_get(services: Services, key: bytes, *, deadline: Deadline) -> str:
    """The database's value at a key; storage/schema.py defines the keys."""
    del deadline
    value = services.chain.database.store.get(key)
    if value is None:
        raise ServerError("not found")
    return hexadecimal(value)


@method("debug_setHead", cost=Cost.WRITE, params=(Param("number", scalars.number),), result="null")
def set_head(services: Services, number: int) -> None:
    """Make an earlier block the head and delete the later ones."""
    chain = services.chain
    chain.require_own_chain()
    if number >= chain.head.number:
        raise ServerError("not allowed to rewind to a future block")
    if number < chain.genesis.number:
        raise ServerError(f"block #{number} not found")
    chain.rewind_to(number)


@method("debug_executionWitness", cost=Cost.EXECUTION, params=(BLOCK,), result="{headers, codes, state, keys}")
def execution_witness(services: Services, reference: BlockReference, *, deadline: Deadline) -> Json:
    """The data that a block's execution reads: trie nodes, code, and headers back to the oldest one used."""
    del deadline
    witness = make_witness(services.chain, _find(services, reference))
    return {
        "headers": [results.header(header) for header in witness.headers],
        "codes": [hexadecimal(code) for code in witness.codes],
        "state": [hexadecimal(node) for node in witness.nodes],
        "keys": None,
    }
