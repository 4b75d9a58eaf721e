"""evm_, anvil_, hardhat_: the clock and the making of blocks."""

from collections.abc import Callable

import orjson

from zevm.chain.concurrency.steps import Steps
from zevm.chain.events import BlockAndReceipts
from zevm.chain.tracing.encoded import Encoded, enclosed
from zevm.rpc.codec import results, scalars
from zevm.rpc.codec.scalars import schema
from zevm.rpc.errors import InvalidParamsError, refusals_as_parameters
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services

SECONDS = Param("seconds", scalars.number)
TIMESTAMP = Param("timestamp", scalars.number)
_MILLISECONDS_FROM = 10**11
"""Times from this value on are milliseconds: in seconds it is the year 5138."""


def _mine(
    services: Services,
    count: int,
    interval_seconds: int | None,
    timestamp: int | None,
    told: Callable[[BlockAndReceipts], object] | None = None,
) -> Steps[None]:
    """Other writes run between the blocks. A disconnected client ends it; the blocks made so far stay."""
    limit = services.limits.mine_blocks
    if count > limit:
        raise InvalidParamsError(f"{count} blocks are too many at once: want at most {limit} (--rpc-mine-blocks)")
    with refusals_as_parameters():
        yield from services.chain.mine_in_steps(count, interval_seconds, timestamp, told)


@schema(anyOf=[{"type": "object"}, {"type": "string"}, {"type": "integer"}])
def mine_options(value: object) -> tuple[int | None, int]:
    """(timestamp, blocks) from a timestamp or {timestamp, blocks}."""
    if type(value) is not dict:
        return scalars.number(value), 1
    decoded: dict[str, int] = {
        name: scalars.number(value[name]) for name in ("timestamp", "blocks") if value.get(name) is not None
    }
    return decoded.get("timestamp"), decoded.get("blocks", 1)


MINE_OPTIONS = Param("options", mine_options, default=(None, 1), summary="timestamp or {timestamp, blocks}")


@method("evm_mine", cost=Cost.WRITE, params=(MINE_OPTIONS,), result='"0x0"')
def evm_mine(services: Services, options: tuple[int | None, int]) -> Steps[str]:
    """Make a block, or several."""
    timestamp, count = options
    yield from _mine(services, count, None, timestamp)
    return "0x0"


@method(
    "evm_mine_detailed", cost=Cost.WRITE, params=(MINE_OPTIONS,), result="[block]", aliases=("anvil_mine_detailed",)
)
def evm_mine_detailed(services: Services, options: tuple[int | None, int]) -> Steps[Encoded]:
    """Make a block, or several, and return them with their transactions."""
    timestamp, count = options
    blocks: list[bytes] = []

    def tell(record: BlockAndReceipts) -> None:
        senders = [receipt.sender for receipt in record.receipts]
        blocks.append(orjson.dumps(results.block(record.block, full=True, senders=senders)))

    yield from _mine(services, count, None, timestamp, tell)
    return Encoded(enclosed(b"[", ((block,) for block in blocks), b"]"))


MINE_PARAMS = (
    Param("blocks", scalars.number, default=1),
    Param("interval", scalars.number, default=None, summary="seconds"),
)


@method("anvil_mine", cost=Cost.WRITE, params=MINE_PARAMS)
def anvil_mine(services: Services, count: int, interval_seconds: int | None) -> Steps[None]:
    """Make blocks, with timestamps `interval` seconds apart; 0 is no interval, unless timestamps may be equal."""
    # viem's mine() sends 0 where its caller gives none, and Anvil takes that
    is_none = not interval_seconds and services.chain.clock.least_step > 0
    yield from _mine(services, count, None if is_none else interval_seconds, None)


@method("hardhat_mine", cost=Cost.WRITE, params=MINE_PARAMS)
def hardhat_mine(services: Services, count: int, interval_seconds: int | None) -> Steps[None]:
    """Make blocks, with timestamps `interval` seconds apart."""
    yield from _mine(services, count, interval_seconds, None)


@method("anvil_getAutomine", cost=Cost.LIGHT, result="boolean", aliases=("hardhat_getAutomine",))
def get_automine(services: Services) -> bool:
    """Whether instant mining is on."""
    return services.chain.mining.automine


@method(
    "evm_setAutomine",
    cost=Cost.WRITE,
    params=(Param("enabled", scalars.boolean),),
    aliases=("anvil_setAutomine",),
)
def set_automine(services: Services, enabled: bool) -> Steps[None]:
    """Switch instant mining on or off; the interval does not change."""
    yield from services.chain.set_automine(enabled)


@method("anvil_getIntervalMining", cost=Cost.LIGHT, result="seconds or null")
def get_interval_mining(services: Services) -> float | None:
    """The interval between timed blocks."""
    seconds, rest = divmod(services.chain.mining.interval_ms, 1000)
    return (seconds + rest / 1000 if rest else seconds) or None


@schema(type="number", minimum=0)
def _interval(value: object) -> int:
    """Milliseconds from seconds; fractions as a JSON number."""
    if type(value) is float and 0 <= value <= scalars.MAX_UINT64:
        return round(value * 1000)
    return scalars.number(value) * 1000


@method(
    "evm_setIntervalMining",
    cost=Cost.WRITE,
    params=(Param("seconds", _interval, summary="0 stops timed blocks"),),
    aliases=("anvil_setIntervalMining",),
)
def set_interval_mining(services: Services, interval_ms: int) -> None:
    """Make a block at this interval; 0 stops interval mining. Instant mining does not change."""
    services.chain.mining.set_interval_ms(interval_ms)


@method("evm_increaseTime", cost=Cost.WRITE, params=(SECONDS,), result="total offset", aliases=("anvil_increaseTime",))
def increase_time(services: Services, seconds: int) -> int:
    """Move the chain's clock forward."""
    with refusals_as_parameters():
        return services.chain.clock.increase(seconds, services.chain.head.header.timestamp)


@method("evm_setTime", cost=Cost.WRITE, params=(TIMESTAMP,), result="seconds", aliases=("anvil_setTime",))
def set_time(services: Services, timestamp: int) -> int:
    """Set the chain's clock, in seconds or milliseconds; return how far it moved forward."""
    if timestamp >= _MILLISECONDS_FROM:
        timestamp //= 1000
    before = services.chain.clock.now()
    with refusals_as_parameters():
        services.chain.clock.set_time(timestamp)
    return max(0, timestamp - before)


@method(
    "evm_setNextBlockTimestamp",
    cost=Cost.WRITE,
    params=(TIMESTAMP,),
    aliases=("anvil_setNextBlockTimestamp",),
)
def set_next_block_timestamp(services: Services, timestamp: int) -> None:
    """Set the next block's timestamp; the clock continues from there."""
    parent = services.chain.head.header.timestamp
    if timestamp < parent:
        raise InvalidParamsError(f"Timestamp error: {timestamp} is lower than previous block's timestamp")
    with refusals_as_parameters():
        services.chain.clock.set_next_timestamp(timestamp, parent)


@method("anvil_setBlockTimestampInterval", cost=Cost.WRITE, params=(SECONDS,))
def set_block_timestamp_interval(services: Services, seconds: int) -> None:
    """Set the interval between a block's timestamp and its parent's."""
    with refusals_as_parameters():
        services.chain.clock.set_interval(seconds)


@method("anvil_removeBlockTimestampInterval", cost=Cost.WRITE, result="boolean")
def remove_block_timestamp_interval(services: Services) -> bool:
    """Undo anvil_setBlockTimestampInterval; return whether there was an interval."""
    return services.chain.clock.remove_interval()


@method("anvil_getGenesisTime", cost=Cost.LIGHT, result="seconds")
def get_genesis_time(services: Services) -> int:
    """The genesis block's timestamp."""
    header = services.chain.header_by_number(services.chain.genesis.number)
    assert header is not None
    return header.timestamp
