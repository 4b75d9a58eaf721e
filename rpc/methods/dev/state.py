"""anvil_, hardhat_, evm_: dump and load of the whole state, snapshots, and reset."""

import gzip
import io
import json
import logging
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import orjson

from zevm.chain.blockchain import Chain
from zevm.chain.canonical.patches import put_accounts
from zevm.chain.concurrency.steps import Steps, Turn
from zevm.chain.events import BlockAndReceipts
from zevm.chain.rules.genesis import accounts_diff
from zevm.chain.types import Header
from zevm.chain.vm.execution_state import ExecutionState
from zevm.rpc.codec import scalars
from zevm.rpc.codec.anvil_state import EMPTIED, SavedState, block_json, read_saved_state, transactions_json
from zevm.rpc.codec.parsing import check_shape, parse_large
from zevm.rpc.codec.results import hexadecimal
from zevm.rpc.errors import InvalidParamsError, InvalidRequestError, LimitExceededError, ParseError, told
from zevm.rpc.limits import Limits
from zevm.rpc.methods.support.instance import load_instance_id, put_new_instance_id
from zevm.rpc.methods.support.reading import on_writer
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import ForkRequest, Services
from zevm.storage.primitives import Hash32
from zevm.storage.store import Snapshot

LOGGER = logging.getLogger("zevm.rpc")
GZIP_WINDOW = 31
"""zlib's argument for its largest window with gzip's header and trailer."""

SLOTS_TOGETHER = 256
"""Slots encoded in one step."""

UNPACKED_TOGETHER = 1 << 20
"""Bytes of a state file unpacked in one step."""


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
    params=(Param("preserveHistorical", scalars.boolean, default=False, summary="taken and ignored"),),
    result="gzip of Anvil's state JSON, as hex",
    aliases=("hardhat_dumpState",),
)
def dump_state(services: Services, preserve_historical: bool) -> Steps[str]:  # noqa: ARG001
    """The chain in the format of Anvil's state files: blocks, transactions, receipts, accounts of the latest state."""
    packer = zlib.compressobj(wbits=GZIP_WINDOW)
    packed = []
    turn = Turn()
    for text in state_texts(services):
        packed.append(packer.compress(text))
        if turn.is_over:
            yield
            turn = Turn()
    packed.append(packer.flush())
    return hexadecimal(b"".join(packed))


def state_texts(services: Services) -> Iterator[bytes]:
    """The state file's JSON in pieces; it shows the chain at the time of the first piece.

    Of a fork it has the fork's own blocks and changed accounts, as Anvil's does: a removed slot is zero, a removed
    account empty.
    """
    chain = services.chain
    head, view = chain.head, chain.database.store.snapshot()
    first = chain.lowest_own
    if first is None:
        first = max(chain.genesis.number, chain.first_kept)
    hashes = [chain.records.canonical_hash(number) for number in range(first, head.number + 1)]
    document = {"block": _block_environment(services, head.header), "best_block_number": head.number}
    yield _dumps(document)[:-1].encode() + b',"historical_states":null,"blocks":['
    yield from _separated(_dumps(block_json(record)) for record in _records(services, hashes))
    yield b'],"transactions":['
    yield from _separated(_dumps(item) for record in _records(services, hashes) for item in transactions_json(record))
    yield b'],"accounts":{'
    yield from _account_texts(services, view)
    yield b"}}"


def _records(services: Services, hashes: list[Hash32 | None]) -> Iterator[BlockAndReceipts]:
    for block_hash in hashes:
        record = None if block_hash is None else services.chain.records.record(block_hash)
        if record is not None:
            yield record


def _dumps(value: object) -> str:
    # not orjson: a development chain's base fee may be beyond 64 bits
    return json.dumps(value, separators=(",", ":"))


def _account_texts(services: Services, view: Snapshot) -> Iterator[bytes]:
    """The accounts of `view` as members of an object, in pieces."""
    states = services.chain.database.state
    separator = b""
    for address, account in states.accounts(view):
        code = states.code(account.code_hash)
        fields = {"nonce": account.nonce, "balance": hex(account.balance), "code": hexadecimal(code)}
        if services.chain.has_emptied(view, address):
            fields[EMPTIED] = True
        yield b'%b"0x%b":%b,"storage":{' % (separator, address.hex().encode(), orjson.dumps(fields)[:-1])
        slots = (f'"0x{slot:064x}":"0x{value:064x}"' for slot, value in states.slots(view, address))
        yield from _separated(slots)
        yield b"}}"
        separator = b","


def _separated(items: Iterator[str]) -> Iterator[bytes]:
    separator = ""
    while together := list(islice(items, SLOTS_TOGETHER)):
        yield (separator + ",".join(together)).encode()
        separator = ","


def read_state_file(services: Services, content: bytes) -> SavedState:
    """The content of a state file, given as JSON or gzipped JSON.

    A megabyte of gzip may hold a gigabyte: the output is bounded in bytes and in values. Raises InvalidParamsError.
    """
    limits = services.limits
    if len(content) > limits.state_file_bytes:
        raise _too_large(limits)
    try:
        if content[:2] == b"\x1f\x8b":
            content = _unpack(content, limits)
        check_shape(content, limits)
        document = parse_large(content)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidParamsError(f"not a state file: {error}") from None
    except ParseError as error:
        raise InvalidParamsError(f"not a state file: {error.message}") from None
    except InvalidRequestError as error:
        raise InvalidParamsError(f"state file: {told(error)}") from None
    return read_saved_state(document, lambda header: services.chain.environment_of(header).blob_base_fee)


def _unpack(content: bytes, limits: Limits) -> bytes:
    parts, size = [], 0
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
        while part := stream.read(UNPACKED_TOGETHER):
            size += len(part)
            if size > limits.state_file_bytes:
                raise _too_large(limits)
            parts.append(part)
    return b"".join(parts)


def _too_large(limits: Limits) -> InvalidParamsError:
    return InvalidParamsError(
        f"the state file is larger than {limits.state_file_bytes} bytes when unpacked; "
        "load it in parts, or raise --rpc-state-file-bytes"
    )


@method(
    "anvil_loadState",
    cost=Cost.WRITE,
    params=(Param("state", scalars.bare_data, summary="a result of anvil_dumpState, zEVM's or Anvil's"),),
    result="true",
    aliases=("hardhat_loadState",),
)
def load_state(services: Services, content: bytes) -> bool:
    """Load a state file: add its accounts to the present ones, and replace the blocks by its blocks."""
    take_over(services, read_state_file(services, content))
    return True


def take_over(services: Services, saved: SavedState) -> None:
    """Make a state file's content the chain. On the writer's thread.

    On a fork the file of another run goes on top of the forked block: slots of its accounts that the file does not name
    stay, since a fork's file names the changed ones alone.
    """
    chain = services.chain
    is_fork = chain.lowest_own is not None

    def change(state: ExecutionState) -> None:
        for address in saved.emptied if is_fork else saved.accounts:
            state.clear_storage(address)
        put_accounts(state, saved.accounts)

    if saved.left_out:
        LOGGER.warning(
            "%d blocks of the state file are not loaded: their receipts are missing, or they do not lead to its head",
            saved.left_out,
        )
    history = saved.history if chain.lowest_own is None else _on_the_fork(chain, saved.history, chain.lowest_own - 1)
    if history:
        states = {} if is_fork else {number: accounts_diff(state) for number, state in saved.states.items()}
        chain.adopt(history, change, states)
        return
    chain.patch_state(change)
    if saved.timestamp is not None:
        chain.clock.reach(saved.timestamp)


def _on_the_fork(chain: Chain, history: Sequence[BlockAndReceipts], number: int) -> Sequence[BlockAndReceipts]:
    """The blocks from the forked one on, whose number is given; none if they do not stand on it."""
    forked = chain.header_by_number(number)
    assert forked is not None
    above = [item for item in history if item.block.number > forked.number]
    first = chain.records.record(forked.hash)
    if above and first is not None and above[0].block.header.parent_hash == forked.hash:
        return (first, *above)
    if above or (history and history[-1].block.hash != forked.hash):
        LOGGER.warning("the state file's blocks do not stand on the forked block: its accounts alone are loaded")
    return ()


@method("evm_snapshot", cost=Cost.WRITE, result="snapshot id", aliases=("anvil_snapshot",))
def snapshot(services: Services) -> str:
    """Save the state, the pool, the clock and the mining mode."""
    limit = services.limits.snapshots
    if len(services.chain.snapshots.taken) >= limit:
        raise LimitExceededError(
            f"limit exceeded: {limit} snapshots are kept; revert to one, which uses up all later ones, "
            "or raise --rpc-snapshots"
        )
    return hex(services.chain.snapshot())


@method(
    "evm_revert",
    cost=Cost.WRITE,
    params=(Param("snapshot", scalars.number),),
    result="boolean",
    aliases=("anvil_revert",),
)
def revert(services: Services, number: int) -> bool:
    """Return to a snapshot, and delete it and all later ones but of the same state; return whether it existed."""
    return services.chain.revert(number)


@method(
    "anvil_reset",
    cost=Cost.ASYNC,
    params=(
        Param(
            "options",
            scalars.json_object,
            default=None,
            summary="{forking: {jsonRpcUrl, blockNumber, httpHeaders}}: a fork of that block; without, no fork",
        ),
    ),
    aliases=("hardhat_reset",),
    holds_back=True,
)
async def reset(services: Services, options: dict[str, Any] | None) -> None:
    """Start over, on a block of another chain or on none: the first block, an empty pool, a new instance id."""
    wanted, forking = fork_request(options or {}), services.forking
    if wanted is None and (forking is None or forking.report is None):
        await on_writer(services, _start_over, services)
    elif forking is None:
        raise InvalidParamsError("forking is not served here")
    else:
        assert services.executions is not None
        await services.executions.run(forking.begin_again, wanted, partial(_take_instance_id, services))


def _start_over(services: Services) -> None:
    made: list[bytes] = []
    services.chain.reset(lambda batch, _: made.append(put_new_instance_id(services.chain.database, batch)))
    services.instance_id = made[-1]


def _take_instance_id(services: Services) -> None:
    services.instance_id = load_instance_id(services.chain.database)


def fork_request(options: dict[str, Any]) -> ForkRequest | None:
    """The fork that the options of a reset ask for, in Hardhat's form or in Anvil's, which may lack `forking`."""
    forking = options.get("forking")
    if forking is None:
        if not _FORKING.keys() & options.keys():
            return None
        forking = options
    values: dict[str, Any] = {}
    for name, value in scalars.json_object(forking).items():
        decode = _FORKING.get(name)
        if decode is None:
            raise InvalidParamsError(f"forking.{name} is none of {', '.join(_FORKING)}")
        values[name] = None if value is None else decode(value)
    return ForkRequest(values.get("jsonRpcUrl"), values.get("blockNumber"), values.get("httpHeaders") or {})


def _header_fields(value: object) -> dict[str, str]:
    fields = {name: scalars.string(content) for name, content in scalars.json_object(value).items()}
    if any(letter in text for item in fields.items() for text in item for letter in "\r\n"):
        raise InvalidParamsError("forking.httpHeaders: a header has one line")
    return fields


_FORKING = {"jsonRpcUrl": scalars.string, "blockNumber": scalars.number, "httpHeaders": _header_fields}
