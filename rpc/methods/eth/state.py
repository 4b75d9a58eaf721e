"""eth_: accounts, code and storage at any block."""

from typing import Any

from zevm.chain.types.block_reference import LATEST, PENDING_TAG, BlockReference
from zevm.rpc.codec import scalars
from zevm.rpc.codec.later import Later
from zevm.rpc.codec.results import hexadecimal, word
from zevm.rpc.errors import CLIENT_LIMIT_EXCEEDED, CodedError, InvalidParamsError
from zevm.rpc.methods.support.reading import account_of, code_of, is_state_at_hand, state_at
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.account import StateReader
from zevm.storage.primitives import Address

ADDRESS = Param("address", scalars.address)
BLOCK = Param("block", scalars.block_reference, default=LATEST)


@method("eth_getBalance", cost=Cost.ASYNC, at_once=is_state_at_hand, params=(ADDRESS, BLOCK), result="wei")
async def get_balance(services: Services, address: Address, block: BlockReference) -> str:
    """The balance of an account."""
    return hex(account_of(await state_at(services, block), address).balance)


@method("eth_getTransactionCount", cost=Cost.LIGHT, any_thread=True, params=(ADDRESS, BLOCK), result="nonce")
def get_transaction_count(services: Services, address: Address, block: BlockReference) -> str | Later:
    """The nonce of an account; `pending` counts the pool's transactions."""
    if block.tag is PENDING_TAG:
        return hex(next_nonce(services, address))
    if not services.chain.is_at_hand(block):
        return Later(_nonce_at, services, address, block)
    return _nonce_at(services, address, block)


def _nonce_at(services: Services, address: Address, block: BlockReference) -> str:
    return hex(account_of(services.chain.state_at(block), address).nonce)


def next_nonce(services: Services, address: Address) -> int:
    """The nonce that the next transaction of an account needs."""
    chain = services.chain
    return chain.pool.next_nonce(address, account_of(chain.head.state, address).nonce)


@method("eth_getCode", cost=Cost.ASYNC, at_once=is_state_at_hand, params=(ADDRESS, BLOCK), result="code")
async def get_code(services: Services, address: Address, block: BlockReference) -> str:
    """The code of an account."""
    return hexadecimal(code_of(await state_at(services, block), address))


@method(
    "eth_getStorageAt",
    cost=Cost.ASYNC,
    at_once=is_state_at_hand,
    params=(ADDRESS, Param("slot", scalars.storage_slot), BLOCK),
    result="32-byte word",
)
async def get_storage_at(services: Services, address: Address, slot: int, block: BlockReference) -> str:
    """One storage slot of an account."""
    return word((await state_at(services, block)).storage(address, slot))


LIGHT_SLOTS = 16
"""Maximum of look-ups on the event loop; each one walks a trie if the state is old."""


def _wanted_slots(value: object) -> dict[Address, list[int]]:
    slots = scalars.array_of(scalars.storage_slot)
    return {scalars.address(address): slots(keys) for address, keys in scalars.json_object(value).items()}


@method(
    "eth_getStorageValues",
    cost=Cost.ASYNC,
    at_once=is_state_at_hand,
    params=(Param("slots", _wanted_slots, summary="{address: [slot, ...]}"), BLOCK),
    result="{address: [32-byte word, ...]}",
)
async def get_storage_values(
    services: Services, wanted: dict[Address, list[int]], block: BlockReference
) -> dict[str, list[str]] | Later:
    """Many storage slots of many accounts in one call."""
    count, limit = sum(map(len, wanted.values())), services.limits.storage_values
    if count > limit:
        raise CodedError(CLIENT_LIMIT_EXCEEDED, f"too many slots (max {limit})")
    if not count:
        raise InvalidParamsError("empty request")
    state = await state_at(services, block)
    return Later(_values, state, wanted) if count > LIGHT_SLOTS else _values(state, wanted)


def _values(state: StateReader, wanted: dict[Address, list[int]]) -> dict[str, list[str]]:
    return {
        hexadecimal(address): [word(state.storage(address, slot)) for slot in slots]
        for address, slots in wanted.items()
    }


@method(
    "eth_getAccount",
    cost=Cost.ASYNC,
    at_once=is_state_at_hand,
    params=(ADDRESS, BLOCK),
    result="{balance, nonce, codeHash, storageRoot} or null",
)
async def get_account(services: Services, address: Address, block: BlockReference) -> dict[str, Any] | None:
    """An account as the state trie holds it."""
    account = (await state_at(services, block)).account(address)
    if account is None:
        return None
    return {
        "balance": hex(account.balance),
        "nonce": hex(account.nonce),
        "codeHash": hexadecimal(account.code_hash),
        "storageRoot": hexadecimal(account.storage_root),
    }


@method(
    "eth_getAccountInfo",
    cost=Cost.ASYNC,
    at_once=is_state_at_hand,
    params=(ADDRESS, BLOCK),
    result="{balance, nonce, code}",
)
async def get_account_info(services: Services, address: Address, block: BlockReference) -> dict[str, Any]:
    """Balance, nonce and code of an account in one call."""
    state = await state_at(services, block)
    account = account_of(state, address)
    return {
        "balance": hex(account.balance),
        "nonce": hex(account.nonce),
        "code": hexadecimal(state.code(account.code_hash)),
    }
