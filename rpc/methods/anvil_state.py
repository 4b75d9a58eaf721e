"""anvil_, hardhat_, evm_: the whole state out and in, snapshots, and reset."""

import gzip
import io
import json
from typing import Any

import orjson

from chain.types import Header
from chain.vm.block_state import BlockState
from rpc import codec, encoding
from rpc.codec import schema
from rpc.encoding import hexadecimal
from rpc.errors import InvalidParamsError
from rpc.instance import put_new_instance_id
from rpc.registry import Cost, Param, method
from rpc.services import Services
from storage.account import Account

MAX_STATE_BYTES = 1 << 30
"""Of a state file once unpacked."""


def _account_json(services: Services, account: Account, slots: dict[str, str]) -> dict[str, Any]:
    return {
        "nonce": account.nonce,
        "balance": hex(account.balance),
        "code": hexadecimal(services.chain.head.state.code(account.code_hash)),
        "storage": slots,
    }


def _block_environment(services: Services, header: Header) -> dict[str, Any]:
    """The block under Anvil's names."""
    environment = services.chain.environment_of(header)
    blob_fee = environment.blob_base_fee
    return {
        "number": hex(header.number),
        "beneficiary": hexadecimal(header.coinbase),
        "timestamp": hex(header.timestamp),
        "gas_limit": header.gas_limit,
        "basefee": header.base_fee_per_gas or 0,
        "difficulty": hex(header.difficulty),
        "prevrandao": hexadecimal(header.mix_hash),
        "blob_excess_gas_and_price": None
        if blob_fee is None
        else {"excess_blob_gas": header.excess_blob_gas or 0, "blob_gasprice": blob_fee},
    }


@method(
    "anvil_dumpState",
    cost=Cost.WRITE,
    params=(Param("preserveHistorical", codec.boolean, default=False, summary="taken and ignored"),),
    result="gzip of Anvil's state JSON, as hex",
    aliases=("hardhat_dumpState",),
)
def dump_state(services: Services, preserve_historical: bool) -> str:  # noqa: ARG001
    """All accounts of the latest state, in the format of Anvil's state files."""
    chain = services.chain
    view = chain.database.store.snapshot()
    states = chain.database.state
    accounts = {}
    for address, account in states.accounts(view):
        slots = {f"0x{slot:064x}": f"0x{value:064x}" for slot, value in states.slots(view, address)}
        accounts[hexadecimal(address)] = _account_json(services, account, slots)
    header = chain.head.header
    document = {
        "block": _block_environment(services, header),
        "accounts": accounts,
        "best_block_number": header.number,
        # Anvil looks for the head's hash among the blocks that it loads
        "blocks": [{"header": encoding.header(header), "transactions": [], "ommers": []}],
        "transactions": [],
        "historical_states": None,
    }
    # not orjson: a development chain's base fee may be beyond 64 bits
    return hexadecimal(gzip.compress(json.dumps(document, separators=(",", ":")).encode(), mtime=0))


@schema(type="string", pattern="^0x([0-9a-fA-F]{2})*$")
def state_file(value: object) -> dict[bytes, dict[str, Any]]:
    """{address: {nonce, balance, code, storage}} from a state file: hex of its JSON or of the JSON's gzip."""
    content = codec.data(value)
    try:
        if content[:2] == b"\x1f\x8b":
            content = _unpack(content)
        document = orjson.loads(content)
    except (OSError, EOFError, ValueError) as error:
        raise InvalidParamsError(f"not a state file: {error}") from None
    accounts = codec.json_object(document).get("accounts")
    return {
        codec.address(address): _decode_account(account) for address, account in codec.json_object(accounts).items()
    }


def _unpack(content: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
        unpacked = stream.read(MAX_STATE_BYTES + 1)
    if len(unpacked) > MAX_STATE_BYTES:
        raise InvalidParamsError(f"the state file is larger than {MAX_STATE_BYTES} bytes when unpacked")
    return unpacked


def _decode_account(value: object) -> dict[str, Any]:
    account = codec.json_object(value)
    storage = codec.json_object(account.get("storage") or {})
    return {
        "nonce": codec.number(account.get("nonce") or 0),
        "balance": codec.number(account.get("balance") or 0),
        "code": codec.data(account.get("code") or "0x"),
        "storage": {codec.storage_slot(slot): codec.word(item) for slot, item in storage.items()},
    }


@method(
    "anvil_loadState",
    cost=Cost.WRITE,
    params=(Param("state", state_file, summary="what anvil_dumpState returned, of Anvil's too"),),
    result="true",
    aliases=("hardhat_loadState",),
)
def load_state(services: Services, accounts: dict[bytes, dict[str, Any]]) -> bool:
    """Take over the accounts of a state file; others, and the blocks, stay as they are."""

    def change(state: BlockState) -> None:
        for address, account in accounts.items():
            state.clear_storage(address)
            state.set_balance(address, account["balance"])
            state.set_nonce(address, account["nonce"])
            state.set_code(address, account["code"])
            for slot, value in account["storage"].items():
                state.set_storage(address, slot, value)

    services.chain.patch_state(change)
    return True


@method("evm_snapshot", cost=Cost.WRITE, result="snapshot id", aliases=("anvil_snapshot",))
def snapshot(services: Services) -> str:
    """Remember the state, the pool, the clock and the mining mode."""
    return hex(services.chain.snapshot())


@method(
    "evm_revert",
    cost=Cost.WRITE,
    params=(Param("snapshot", codec.number),),
    result="boolean",
    aliases=("anvil_revert",),
)
def revert(services: Services, number: int) -> bool:
    """Return to a snapshot, which is used up with all later ones; whether there was such a one."""
    return services.chain.revert(number)


@method(
    "anvil_reset",
    cost=Cost.WRITE,
    params=(Param("options", codec.json_object, default=None, summary="forking is not served"),),
    aliases=("hardhat_reset",),
)
def reset(services: Services, options: dict[str, Any] | None) -> None:
    """Begin anew: the genesis block, an empty pool, another instance id."""
    if options and options.get("forking"):
        raise InvalidParamsError("forking a remote chain is not served; call without `forking` for a fresh chain")
    made: list[bytes] = []
    services.chain.reset(lambda batch, _: made.append(put_new_instance_id(services.chain.database, batch)))
    services.instance_id = made[-1]
