"""A chain that one engine has made opens on the other, which goes on with it: the same heads in every order."""

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from random import Random

import pytest
from coincurve import PrivateKey

from testing.contracts import FORWARDER, MAKER, returning
from testing.load import CHAIN_ID, MNEMONIC, RECORDER_MODULE, RECORDER_RUNTIME
from tests.chain.vm.support import assemble
from tests.core.support import needs_core
from tests.core.test_evm_precompiles import powers
from zevm.chain.blockchain import Chain
from zevm.chain.blocks.clock import Clock
from zevm.chain.blocks.mining import MiningMode
from zevm.chain.options import COMPILED_NAME, ChainOptions
from zevm.chain.rules.genesis import load_default_genesis
from zevm.chain.types import Transaction, TransactionType
from zevm.chain.types.transaction import SET_CODE_MAGIC, Authorization
from zevm.chain.vm.calls import contract_address
from zevm.chain.vm.engines import choice
from zevm.chain.vm.engines.engine import Engine
from zevm.node.mnemonic import derive_keys
from zevm.storage import rlp
from zevm.storage.database import Database
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

pytestmark = [needs_core, pytest.mark.lengthy]

ENGINES = (Engine.NATIVE, Engine.PY_EVM)
BLOCKS, TRANSACTIONS = 12, 4
START_SECONDS = 1_900_000_000
GAS = 1_500_000

ASKER = assemble(
    "32 CALLDATASIZE SUB 32 0 CALLDATACOPY "  # the data behind the first word, which is the precompile's address
    "64 512 32 CALLDATASIZE SUB 0 0 CALLDATALOAD GAS STATICCALL 0 CALLDATALOAD 256 MUL SSTORE "
    "64 512 KECCAK256 RETURNDATASIZE ADD 0 CALLDATALOAD SSTORE"
)
"""Stores whether the precompile succeeded, and a digest of what it gave."""
MORTAL = assemble("1 1 SSTORE CALLER SELFDESTRUCT")
"""As creation code it is gone in the transaction that makes it; as code it gives its wei away (EIP-6780)."""


class Script:
    """Signed transactions, of which all follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        keys = derive_keys(MNEMONIC, "m/44'/60'/0'/0", 3)
        self.keys = [PrivateKey(bytes(key.secret)) for key in keys]
        self.addresses = [keccak256(key.public_key.format(compressed=False)[1:])[12:] for key in self.keys]
        self.nonces = [0, 0, 0]
        self.creations = [returning(RECORDER_RUNTIME), RECORDER_MODULE, returning(FORWARDER), returning(MAKER)]
        self.creations += [returning(ASKER), returning(MORTAL)]
        sender = Address(self.addresses[0])
        made = [contract_address(sender, nonce) for nonce in range(len(self.creations))]
        self.recorder, self.module, self.forwarder, self.maker, self.asker, self.mortal = made

    def blocks(self) -> list[list[Transaction]]:
        """The first one deploys; those after it do anything."""
        actions: Sequence[Callable[[], Transaction]] = (
            self.record, self.record_in_module, self.forward, self.make, self.ask, self.die, self.vanish, self.delegate,
        )  # fmt: skip
        first = [self.sign(None, creation) for creation in self.creations]
        rest = [action() for _ in range(BLOCKS * TRANSACTIONS // len(actions)) for action in actions]
        self.random.shuffle(rest)
        # nonces follow the order of signing
        rest.sort(key=lambda transaction: transaction.nonce)
        return [first, *(rest[start : start + TRANSACTIONS] for start in range(0, len(rest), TRANSACTIONS))]

    def sign(
        self, to: bytes | None, data: bytes, value_wei: int = 0, authorizations: tuple[Authorization, ...] = ()
    ) -> Transaction:
        unsigned = Transaction(
            type=TransactionType.SET_CODE if authorizations else TransactionType.DYNAMIC_FEE,
            chain_id=CHAIN_ID,
            nonce=self.nonces[0],
            max_fee_per_gas=10**12,
            max_priority_fee_per_gas=10**9,
            gas_limit=GAS,
            to=None if to is None else Address(to),
            value=value_wei,
            data=data,
            authorization_list=authorizations,
        )
        self.nonces[0] += 1
        return unsigned.with_signature(*self._signature(0, unsigned.signing_hash))

    def _signature(self, signer: int, digest: bytes) -> tuple[int, int, int]:
        signed = self.keys[signer].sign_recoverable(digest, hasher=None)
        return signed[64], int.from_bytes(signed[:32], "big"), int.from_bytes(signed[32:64], "big")

    def _entry(self) -> bytes:
        """A slot, and a value that is often zero."""
        return b"".join(self.random.randrange(3).to_bytes(32, "big") for _ in range(2))

    def record(self) -> Transaction:
        return self.sign(self.recorder, self._entry())

    def record_in_module(self) -> Transaction:
        return self.sign(self.module, self._entry())

    def forward(self) -> Transaction:
        """A contract of one machine through one of the other, or an account that has delegated."""
        target = self.random.choice((self.recorder, self.module, self.addresses[1], self.addresses[2]))
        return self.sign(self.forwarder, target.rjust(32, b"\0") + self._entry())

    def make(self) -> Transaction:
        creation = self.random.choice((*self.creations, MORTAL, b"\xfe", returning(b"\xef")))
        return self.sign(self.maker, creation, self.random.randrange(2))

    def ask(self) -> Transaction:
        """Any precompile, with its own kind of input or with noise."""
        number = self.random.choice((*range(1, 18), 0x100))
        size = self.random.choice((0, 1, 96, 128, 160, 192, 213, 256, 384))
        power = powers(*map(self.random.randbytes, (32, 3, 33)))
        data = self.random.choice((self.random.randbytes(size), bytes(size), power))
        return self.sign(self.asker, number.to_bytes(32, "big") + data)

    def die(self) -> Transaction:
        return self.sign(self.mortal, b"", 7)

    def vanish(self) -> Transaction:
        return self.sign(None, MORTAL, 5)

    def delegate(self) -> Transaction:
        """An account delegates to a contract, or to nothing again, and is called at once."""
        signer = self.random.randrange(1, 3)
        target = self.random.choice((self.recorder, self.module, self.asker, Address(bytes(20))))
        items: list[rlp.Item] = [rlp.encode_int(CHAIN_ID), target, rlp.encode_int(self.nonces[signer])]
        signature = self._signature(signer, keccak256(SET_CODE_MAGIC + rlp.encode(items)))
        authorization = Authorization(CHAIN_ID, Address(target), self.nonces[signer], *signature)
        self.nonces[signer] += 1
        return self.sign(self.addresses[signer], self._entry(), authorizations=(authorization,))


def go_on(datadir: Path, chosen: Engine, blocks: Sequence[Sequence[Transaction]]) -> bytes:
    """Open the chain in a directory on an engine, add the blocks, and close it; the hash of its head."""
    options = ChainOptions(mining=MiningMode(automine=False), zvm_directory=datadir / COMPILED_NAME, engine=chosen)
    with Database.open(datadir, sync=False) as database:
        chain = Chain(database, load_default_genesis(), options, Clock(lambda: START_SECONDS))
        try:
            for transactions in blocks:
                for transaction in transactions:
                    chain.writer.run(partial(chain.send_transaction, transaction))
                chain.writer.run(chain.mine)
                assert chain.pool.executable_count == 0
            return chain.head.header.hash
        finally:
            chain.close()


@pytest.mark.lengthy
def test_a_chain_of_one_engine_opens_and_goes_on_on_the_other(tmp_path: Path) -> None:
    blocks = Script(15).blocks()
    half = len(blocks) // 2
    halves = {}
    ran = {}
    for first in ENGINES:
        before = Counter(choice.messages)
        halves[first] = go_on(tmp_path / first.value, first, blocks[:half])
        ran[first] = Counter(choice.messages) - before
    assert halves[Engine.NATIVE] == halves[Engine.PY_EVM]
    assert ran[Engine.NATIVE]["native"] > 5
    assert not ran[Engine.PY_EVM]["native"]
    heads = {}
    for first, second in product(ENGINES, ENGINES):
        datadir = tmp_path / f"{first.value}, {second.value}"
        shutil.copytree(tmp_path / first.value, datadir)
        heads[first, second] = go_on(datadir, second, blocks[half:])
    assert len(set(heads.values())) == 1, heads
