"""A development chain in memory and the means to send transactions to it."""

from coincurve import PrivateKey

from zevm.chain.blockchain import Chain
from zevm.chain.blocks.clock import Clock
from zevm.chain.blocks.mining import MiningMode
from zevm.chain.options import ChainOptions
from zevm.chain.rules.genesis import Genesis, load_default_genesis
from zevm.chain.types import Transaction, TransactionType
from zevm.storage.database import Database
from zevm.storage.keccak import keccak256

KEYS = (
    bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"),
    bytes.fromhex("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
)
GWEI = 10**9
ETHER = 10**18
# SSTORE(0, CALLDATALOAD(0)); LOG1(0, 0, topic 0x07); deployed by copying itself
STORE_AND_LOG = bytes.fromhex("60003560005560076000600 0a100".replace(" ", ""))


def address_of(key: bytes) -> bytes:
    """The address of a private key."""
    return keccak256(PrivateKey(key).public_key.format(compressed=False)[1:])[12:]


ALICE, BOB = (address_of(key) for key in KEYS)
CAROL = bytes(19) + b"\x77"


def sign(transaction: Transaction, key: bytes) -> Transaction:
    """The transaction with a signature."""
    signature = PrivateKey(key).sign_recoverable(transaction.signing_hash, hasher=None)
    return transaction.with_signature(
        signature[64], int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    )


def transfer(
    nonce: int,
    value_wei: int = 1,
    *,
    key: bytes = KEYS[0],
    to: bytes | None = BOB,
    data: bytes = b"",
    gas_limit: int = 21_000,
    max_fee_per_gas: int = 10 * GWEI,
    tip: int = GWEI,
) -> Transaction:
    """A signed EIP-1559 transaction of the default network."""
    return sign(
        Transaction(
            type=TransactionType.DYNAMIC_FEE,
            chain_id=31337,
            nonce=nonce,
            max_fee_per_gas=max_fee_per_gas,
            max_priority_fee_per_gas=tip,
            gas_limit=gas_limit,
            to=to,
            value=value_wei,
            data=data,
        ),
        key,
    )


def creation(nonce: int, code: bytes, *, key: bytes = KEYS[0]) -> Transaction:
    """A signed transaction that deploys `code`."""
    size = len(code)
    init = bytes((0x60, size, 0x60, 0x0C, 0x60, 0x00, 0x39, 0x60, size, 0x60, 0x00, 0xF3)) + code
    return transfer(nonce, 0, key=key, to=None, data=init, gas_limit=500_000)


class WallClock:
    """A wall clock that stands until it is moved."""

    def __init__(self, seconds: float = 1_900_000_000) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


def open_chain(
    database: Database | None = None,
    *,
    genesis: Genesis | None = None,
    options: ChainOptions | None = None,
    wall: WallClock | None = None,
) -> Chain:
    """A chain over a database (a new one in memory by default), with a standing clock."""
    return Chain(
        database or Database.open(None), genesis or load_default_genesis(), options, Clock(wall or WallClock())
    )


MANUAL = ChainOptions(mining=MiningMode(automine=False))
