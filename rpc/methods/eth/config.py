"""eth_config, eth_capabilities, eth_getBlockAccessList*: features of this chain and this node."""

from zevm.chain.rules import predeploys
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.schedule import ForkSchedule
from zevm.chain.types.block_reference import BlockReference, BlockTag
from zevm.chain.vm.fork_table import PRECOMPILE_NAMES, PRECOMPILES
from zevm.chain.zvm.precompiles import ARBWASM_ADDRESS, LIBRARY_ADDRESS
from zevm.rpc.codec import scalars
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.rpc.errors import CodedError
from zevm.rpc.methods.support.reading import header_at, on_writer
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.primitives import Address, Hash32

RESOURCE_NOT_FOUND = -32001
_ZVM_NAMES = {ARBWASM_ADDRESS: "ARBWASM", LIBRARY_ADDRESS: "ZVM_LIBRARY"}
_RESOURCES = ("state", "tx", "logs", "receipts", "blocks", "stateproofs")
_LAST_NUMBER = (1 << 64) - 1


@method("eth_config", cost=Cost.LIGHT, result="{current, next, last}")
def config(services: Services) -> Json:
    """The current fork, the next and the last configured one, with their features (EIP-7910)."""
    chain = services.chain
    schedule, head = chain.schedule, chain.head.header
    later = schedule.later_times(head.timestamp)
    return {
        "current": _describe(services, schedule.fork_at(head.number, head.timestamp)),
        "next": _describe(services, later[0][1]) if later else None,
        "last": _describe(services, later[-1][1]) if later else None,
    }


def _describe(services: Services, fork: Fork) -> Json | None:
    """A fork in EIP-7910's form; None for a fork at a block number, which the EIP does not cover."""
    if fork <= Fork.PARIS:
        return None
    chain = services.chain
    schedule, genesis = chain.schedule, chain.genesis
    start = schedule.activation_time(fork)
    first = chain.header_by_number(genesis.number)
    assert first is not None
    checksum, _ = schedule.fork_id(first.hash, genesis.timestamp, _LAST_NUMBER, start)
    blob = schedule.blob_parameters(fork)
    return {
        "activationTime": 0 if genesis.timestamp >= start else start,
        "blobSchedule": None
        if blob is None
        else {
            "target": blob.target,
            "max": blob.maximum,
            "baseFeeUpdateFraction": blob.base_fee_update_fraction,
        },
        "chainId": hex(chain.chain_id),
        "forkId": hexadecimal(checksum),
        "precompiles": _precompiles(schedule, fork),
        "systemContracts": _system_contracts(schedule, fork),
    }


def _precompiles(schedule: ForkSchedule, fork: Fork) -> dict[str, str]:
    named = {PRECOMPILE_NAMES[address]: address for address in PRECOMPILES[fork]}
    if schedule.zvm is not None:
        named |= {name: address for address, name in _ZVM_NAMES.items()}
    return {name: hexadecimal(named[name]) for name in sorted(named)}


def _system_contracts(schedule: ForkSchedule, fork: Fork) -> dict[str, str]:
    contracts: list[tuple[str, Address]] = []
    if fork >= Fork.CANCUN:
        contracts.append(("BEACON_ROOTS_ADDRESS", predeploys.BEACON_ROOTS_ADDRESS))
    if fork >= Fork.PRAGUE:
        contracts += [
            ("CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS", predeploys.CONSOLIDATION_REQUESTS_ADDRESS),
            ("DEPOSIT_CONTRACT_ADDRESS", schedule.deposit_contract),
            ("HISTORY_STORAGE_ADDRESS", predeploys.HISTORY_STORAGE_ADDRESS),
            ("WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS", predeploys.WITHDRAWAL_REQUESTS_ADDRESS),
        ]
    return {name: hexadecimal(address) for name, address in contracts}


@method("eth_capabilities", cost=Cost.LIGHT, result="{head, state, tx, logs, receipts, blocks, stateproofs}")
def capabilities(services: Services) -> Json:
    """The first block with each kind of data: the first of the chain, or of what --prune keeps."""
    head = services.chain.head.header
    oldest = hex(services.chain.first_kept)
    answer: Json = {"head": {"number": hex(head.number), "hash": hexadecimal(head.hash)}}
    return answer | {name: {"disabled": False, "oldestBlock": oldest} for name in _RESOURCES}


async def _no_access_list(services: Services, reference: BlockReference) -> None:
    """null for an unknown block. Raises CodedError for a known one: no supported fork has access lists."""
    pending = reference.tag is BlockTag.PENDING
    header = (await on_writer(services, services.chain.pending)).header if pending else header_at(services, reference)
    if header is None:
        return
    fork = services.chain.spec.of(header).fork.title
    raise CodedError(
        RESOURCE_NOT_FOUND,
        f"block {header.number} has no access list: it is under {fork}, and lists begin with Amsterdam (EIP-7928)",
    )


@method(
    "eth_getBlockAccessList",
    cost=Cost.ASYNC,
    params=(Param("block", scalars.block_reference, summary="number, tag, hash or EIP-1898 object"),),
    result="null",
    aliases=("eth_getBlockAccessListRaw",),
)
async def get_block_access_list(services: Services, reference: BlockReference) -> None:
    """The access list of a block (EIP-7928): the error says that there is none before Amsterdam."""
    await _no_access_list(services, reference)


@method(
    "eth_getBlockAccessListByBlockNumber",
    cost=Cost.ASYNC,
    params=(Param("block", scalars.block_number),),
    result="null",
)
async def get_block_access_list_by_number(services: Services, reference: BlockReference) -> None:
    """The access list of a block by number or tag (EIP-7928): the error says that there is none before Amsterdam."""
    await _no_access_list(services, reference)


@method("eth_getBlockAccessListByBlockHash", cost=Cost.ASYNC, params=(Param("hash", scalars.hash32),), result="null")
async def get_block_access_list_by_hash(services: Services, block_hash: Hash32) -> None:
    """The access list of a block by hash (EIP-7928): the error says that there is none before Amsterdam."""
    await _no_access_list(services, BlockReference(hash=block_hash))
