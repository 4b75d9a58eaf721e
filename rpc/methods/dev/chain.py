"""anvil_, hardhat_, evm_: coming blocks, the pool, reorganisations, and information about the node."""

from typing import Any

from zevm.chain.blocks.branch import Filler
from zevm.chain.blocks.context import CallFrame
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.concurrency.steps import Steps
from zevm.chain.rules.forks import Fork
from zevm.chain.types import Transaction
from zevm.chain.types.block_reference import BlockReference
from zevm.rpc.codec import objects, scalars
from zevm.rpc.codec.later import Later
from zevm.rpc.codec.objects import TransactionArguments
from zevm.rpc.codec.results import hexadecimal
from zevm.rpc.codec.scalars import kind_of, schema
from zevm.rpc.errors import InvalidParamsError, refusals_as_parameters
from zevm.rpc.methods.eth.sending import decode_raw, sign, with_sender
from zevm.rpc.methods.support.filling import execution_deadline, fill_transaction, gas_price, place_in
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import ForkReport, Services
from zevm.storage.primitives import Address, Hash32

ADDRESS = Param("address", scalars.bare_address)
HASH = Param("hash", scalars.bare_hash32)

_FOUNDRY_FORKS = {Fork.TANGERINE_WHISTLE: "Tangerine", Fork.BPO1: "Osaka", Fork.BPO2: "Osaka"}
"""Foundry's names where they differ. Blob parameter forks change nothing for the code that runs: they are Osaka."""


@method("anvil_setCoinbase", cost=Cost.WRITE, params=(ADDRESS,), aliases=("hardhat_setCoinbase",))
def set_coinbase(services: Services, address: Address) -> None:
    """Set the fee recipient of coming blocks."""
    services.chain.change_settings(coinbase=address)


@method(
    "anvil_setNextBlockPrevRandao",
    cost=Cost.WRITE,
    params=(Param("prevRandao", scalars.bare_hash32),),
    aliases=("hardhat_setPrevRandao",),
)
def set_prev_randao(services: Services, prev_randao: bytes) -> None:
    """Set the randomness of the next block."""
    services.chain.change_settings(prev_randao=prev_randao)


@method(
    "anvil_setNextBlockBaseFeePerGas",
    cost=Cost.WRITE,
    params=(Param("baseFee", scalars.number, summary="wei per gas"),),
    aliases=("hardhat_setNextBlockBaseFeePerGas",),
)
def set_next_block_base_fee(services: Services, base_fee: int) -> None:
    """Set the base fee of the next block."""
    if services.chain.next_base_fee() is None:
        raise InvalidParamsError("there is no base fee before London")
    with refusals_as_parameters():
        services.chain.change_settings(base_fee_per_gas=base_fee)


@method(
    "anvil_setMinGasPrice",
    cost=Cost.WRITE,
    params=(Param("price", scalars.number, summary="wei per gas"),),
    aliases=("hardhat_setMinGasPrice",),
)
def set_min_gas_price(services: Services, price: int) -> Steps[None]:
    """Set the minimum gas price of coming blocks; before London only."""
    if services.chain.next_base_fee() is not None:
        raise InvalidParamsError("anvil_setMinGasPrice is not supported when EIP-1559 is active")
    services.chain.change_settings(minimum_gas_price=price)
    yield from services.chain.mine_waiting()


@method(
    "evm_setBlockGasLimit",
    cost=Cost.WRITE,
    params=(Param("gasLimit", scalars.number),),
    result="true",
    aliases=("anvil_setBlockGasLimit",),
)
def set_block_gas_limit(services: Services, gas_limit: int) -> bool:
    """Set the gas limit of coming blocks."""
    if not gas_limit:
        raise InvalidParamsError("gas limit 0 is out of range")
    with refusals_as_parameters():
        services.chain.change_settings(gas_limit=gas_limit)
    return True


@method("anvil_setChainId", cost=Cost.WRITE, params=(Param("chainId", scalars.number),))
def set_chain_id(services: Services, chain_id: int) -> None:
    """Set the chain id of coming transactions and blocks, until the node stops."""
    if not 0 < chain_id <= scalars.MAX_UINT64:
        raise InvalidParamsError(f"chain id {chain_id} is out of range")
    services.chain.set_chain_id(chain_id)


@method(
    "anvil_setLoggingEnabled",
    cost=Cost.WRITE,
    params=(Param("enabled", scalars.boolean),),
    aliases=("hardhat_setLoggingEnabled",),
)
def set_logging_enabled(services: Services, enabled: bool) -> None:
    """Switch the node's log on or off."""
    if services.call_log is not None:
        services.call_log.set_logging(enabled)


@method(
    "hardhat_setThrowOnTransactionFailures",
    cost=Cost.WRITE,
    params=(Param("enabled", scalars.boolean),),
    aliases=("anvil_setThrowOnTransactionFailures",),
)
def set_throw_on_transaction_failures(services: Services, enabled: bool) -> None:
    """Choose whether sending a transaction that fails returns an error or its hash."""
    services.throws_on_failure = enabled


@method("anvil_dropTransaction", cost=Cost.WRITE, params=(HASH,), result="hash or null")
def drop_transaction(services: Services, transaction_hash: Hash32) -> str | None:
    """Remove a pending transaction."""
    return hexadecimal(transaction_hash) if services.chain.drop_transaction(transaction_hash) else None


@method("hardhat_dropTransaction", cost=Cost.WRITE, params=(HASH,), result="boolean")
def drop_transaction_of_hardhat(services: Services, transaction_hash: Hash32) -> bool:
    """Remove a pending transaction; return whether there was one."""
    return services.chain.drop_transaction(transaction_hash)


@method("anvil_dropAllTransactions", cost=Cost.WRITE, aliases=("hardhat_dropAllTransactions",))
def drop_all_transactions(services: Services) -> None:
    """Empty the pool."""
    services.chain.drop_all_transactions()


@method("anvil_removePoolTransactions", cost=Cost.WRITE, params=(ADDRESS,))
def remove_pool_transactions(services: Services, address: Address) -> None:
    """Remove all pending transactions of an account."""
    services.chain.drop_transactions_of(address)


@method("anvil_rollback", cost=Cost.WRITE, params=(Param("depth", scalars.number, default=1),))
def rollback(services: Services, depth: int) -> None:
    """Remove the newest blocks for good."""
    with refusals_as_parameters():
        services.chain.rollback(depth)


Pairs = list[tuple[bytes | TransactionArguments, int]]


@schema(anyOf=[{"type": "integer"}, {"type": "object"}])
def reorg_options(value: object) -> tuple[int, Pairs]:
    """(depth, pairs) from a depth or {depth, tx_block_pairs}."""
    if type(value) is not dict:
        return scalars.number(value), []
    pairs = value.get("tx_block_pairs", value.get("txBlockPairs"))
    return scalars.number(value.get("depth")), [] if pairs is None else transaction_pairs(pairs)


@schema(type="array")
def transaction_pairs(value: object) -> Pairs:
    """[[transaction, block], ...]: raw bytes or a transaction object, and the new block it goes into, from 0."""
    pairs: Pairs = []
    for pair in scalars.array_of(scalars.anything)(value):
        if type(pair) is not list or len(pair) != 2:
            raise InvalidParamsError(f"expected [transaction, block], got {kind_of(pair)}")
        given = scalars.data(pair[0]) if type(pair[0]) is str else objects.transaction_arguments(pair[0])
        pairs.append((given, scalars.number(pair[1])))
    return pairs


@method(
    "anvil_reorg",
    cost=Cost.WRITE,
    params=(
        Param("depth", reorg_options, summary="a number, or {depth, tx_block_pairs}"),
        Param("pairs", transaction_pairs, default=None, summary="[[transaction, block], ...]"),
    ),
)
def reorg(services: Services, options: tuple[int, Pairs], pairs: Pairs | None) -> Steps[None]:
    """Replace the newest blocks by the same number of others, with chosen transactions."""
    depth, chosen = options
    limit = services.limits.reorg_blocks
    if depth > limit:
        raise InvalidParamsError(f"a depth of {depth} is too much: want at most {limit} (--rpc-reorg-blocks)")
    blocks: list[list[Transaction | Filler]] = [[] for _ in range(depth)]
    for given, index in chosen if pairs is None else pairs:
        if index >= depth:
            raise InvalidParamsError(f"block {index} is not among the {depth} new ones")
        blocks[index].append(_signed(services, given))
    with refusals_as_parameters():
        yield from services.chain.reorg(depth, blocks)


def _signed(services: Services, given: bytes | TransactionArguments) -> Transaction | Filler:
    """A raw transaction, or a function that fills one from its state in the new branch and signs it."""
    if isinstance(given, bytes):
        return decode_raw(services, given)
    arguments = with_sender(services, given)
    sender = arguments.sender
    assert sender is not None

    def fill(frame: CallFrame) -> Transaction:
        filled = fill_transaction(services, arguments, deadline=execution_deadline(services), place=place_in(frame))
        return sign(services, filled, sender)

    return fill


def foundry_fork(fork: Fork) -> str:
    """The name that Foundry parses."""
    return _FOUNDRY_FORKS.get(fork, fork.title)


@method("anvil_nodeInfo", cost=Cost.LIGHT, result="{currentBlockNumber, hardFork, environment, ...}")
def node_info(services: Services) -> dict[str, Any]:
    """The head, the fork and the mining mode."""
    chain = services.chain
    header = chain.head.header
    coming, fork = chain.next_header(), services.fork
    return {
        "currentBlockNumber": hex(header.number),
        "currentBlockTimestamp": header.timestamp,
        "currentBlockHash": hexadecimal(header.hash),
        "hardFork": foundry_fork(chain.schedule.fork_at(coming.number, coming.timestamp)),
        "transactionOrder": str(chain.pool.order),
        "environment": {
            "baseFee": hex(coming.base_fee_per_gas or 0),
            "chainId": chain.chain_id,
            "gasLimit": hex(coming.gas_limit),
            "gasPrice": hex(gas_price(services)),
        },
        "forkConfig": {
            "forkUrl": None if fork is None else fork.url,
            "forkBlockNumber": None if fork is None else fork.number,
            "forkRetryBackoff": None if fork is None else fork.retry_backoff_ms,
        },
    }


@method(
    "anvil_metadata",
    cost=Cost.LIGHT,
    result="{clientVersion, chainId, instanceId, ...}",
    aliases=("hardhat_metadata",),
)
def metadata(services: Services) -> dict[str, Any]:
    """The chain's identity; the instance id changes with a reset."""
    chain, fork = services.chain, services.fork
    header = chain.head.header
    forked = {} if fork is None else {"forkedNetwork": _forked_network(fork)}
    return {
        "clientVersion": services.client_version,
        "chainId": chain.chain_id,
        "instanceId": hexadecimal(services.instance_id),
        "latestBlockNumber": header.number,
        "latestBlockHash": hexadecimal(header.hash),
        "snapshots": {
            hex(number): [snapshot.version.number, hexadecimal(snapshot.block_hash)]
            for number, snapshot in chain.snapshots.listing().items()
        },
        **forked,
    }


@method(
    "anvil_setRpcUrl",
    cost=Cost.LIGHT,
    params=(Param("url", scalars.string, summary="http, https, ws or wss"),),
)
def set_rpc_url(services: Services, url: str) -> None:
    """Read the forked chain from another node; its answers are proved as before. Header fields stay with their host."""
    if services.forking is None or services.forking.report is None:
        raise InvalidParamsError("this chain is no fork: start with --fork-url, or call anvil_reset with `forking`")
    services.forking.ask_instead(url)


def _forked_network(fork: ForkReport) -> dict[str, Any]:
    return {
        "chainId": fork.chain_id,
        "forkBlockNumber": fork.number,
        "forkBlockHash": hexadecimal(fork.block_hash),
    }


@method("anvil_getBlobsByTransactionHash", cost=Cost.LIGHT, params=(HASH,), result="[blob] or null")
def get_blobs_by_transaction_hash(services: Services, transaction_hash: Hash32) -> Later:
    """The blobs of a transaction, mined or pending."""
    return Later(_blobs_of, services, transaction_hash)


def _blobs_of(services: Services, transaction_hash: Hash32) -> list[str] | None:
    transaction = services.chain.blob_sidecar_of(transaction_hash)
    if transaction is None or transaction.sidecar is None:
        return None
    return [hexadecimal(blob) for blob in transaction.sidecar.blobs]


@method("anvil_getBlobByHash", cost=Cost.EXECUTION, params=(HASH,), result="blob or null")
def get_blob_by_hash(services: Services, versioned_hash: Hash32, *, deadline: Deadline) -> str | None:
    """A blob by its versioned hash, of a mined transaction."""
    chain = services.chain
    lowest = max(chain.genesis.number + 1, chain.first_kept)
    for number in range(chain.head.number, lowest - 1, -1):
        deadline.check()
        header = chain.resolve(BlockReference(number=number))
        if not header.blob_gas_used:
            continue
        block = chain.block_by_hash(header.hash)
        for transaction in () if block is None else block.transactions:
            if versioned_hash in transaction.blob_versioned_hashes:
                full = chain.blob_sidecar_of(transaction.hash)
                index = transaction.blob_versioned_hashes.index(versioned_hash)
                return None if full is None or full.sidecar is None else hexadecimal(full.sidecar.blobs[index])
    return None
