"""Makes a chain in which WebAssembly and EVM contracts do everything to each other that a chain allows.

Everything follows from the seed: the same seed and number of blocks give the same head hash on every machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from random import Random

import brotli
from coincurve import PrivateKey

from testing.contracts import DELEGATOR, FORWARDER, MAKER, SALTED_MAKER, returning, solidity, wasm, words
from testing.load import CHAIN_ID, MNEMONIC
from verification.wasm.probe import ProbeData
from zevm.chain.blockchain import Chain
from zevm.chain.types import Transaction, TransactionType
from zevm.chain.types.selectors import signature_selector
from zevm.chain.types.transaction import SET_CODE_MAGIC, Authorization
from zevm.chain.zvm.module.creation import constructor_payload, creation_data
from zevm.node.mnemonic import derive_keys
from zevm.storage import rlp
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

SENDERS = 6
AUTHORITIES = 4
"""Accounts of the phrase that send, and those that only sign delegations (EIP-7702)."""
FIRST_BLOCK_TRANSACTIONS, MOST_TRANSACTIONS = 4, 5
CALL_GAS = 2_000_000
DEPLOYMENT_GAS = 6_000_000
"""Five of the largest fit into a block of 30 million."""
LEAST_GAS, LEAST_BYTE_GAS = 90_000, 40
"""Minimum gas of a transaction, and for each byte of data, below which it might be refused."""
FEE_WEI = 1_000 * 10**9
TIP_WEI = 10**9
COUNTERS = ("counter.zig", "counter.c", "counter.ts")
FORMS: tuple[Callable[[bytes, bytes | None], bytes], ...] = (
    creation_data,
    partial(creation_data, compress=True),
    lambda module, payload: returning(creation_data(module, payload)),
    lambda module, payload: returning(creation_data(module, payload, compress=True)),
)
"""How a module may be sent."""


class Mix:
    """Random transactions on a chain, and their results."""

    def __init__(self, chain: Chain, random: Random) -> None:
        self.chain = chain
        self.random = random
        self.counts: Counter[str] = Counter()
        keys = derive_keys(MNEMONIC, "m/44'/60'/0'/0", SENDERS + AUTHORITIES)
        self.keys = [PrivateKey(bytes(key.secret)) for key in keys]
        self.addresses = [_address(key) for key in self.keys]
        self.nonces = [0] * len(self.keys)
        self.contracts: dict[str, list[bytes]] = {"counter": [], "token": [], "probe": [], "relay": [], "maker": []}
        self.expected: dict[bytes, str] = {}
        self.evm = solidity(("Counter", "TwinToken"))
        self.operations: dict[Callable[[], Transaction], int] = {
            self.transfer: 6, self.deploy: 5, self.deploy_invalid: 2, self.use_counter: 8, self.use_token: 8,
            self.use_probe: 12, self.forward: 6, self.make: 3, self.delegate: 2, self.use_delegated: 3,
        }  # fmt: skip

    # Blocks

    def block(self) -> None:
        """Add a block of random transactions to the chain."""
        for _ in range(self.random.randrange(1, MOST_TRANSACTIONS + 1)):
            operation = self.random.choices(list(self.operations), list(self.operations.values()))[0]
            self.send(operation())
        self.mine()

    def first_blocks(self) -> None:
        """Blocks that deploy one of everything."""
        for number, deployment in enumerate(self._deployments(), 1):
            self.send(deployment())
            if number % FIRST_BLOCK_TRANSACTIONS == 0:
                self.mine()
        self.mine()

    def send(self, transaction: Transaction) -> None:
        self.chain.writer.run(partial(self.chain.send_transaction, transaction))

    def mine(self) -> None:
        """Make a block, and note what came to be."""
        self.chain.writer.run(self.chain.mine)
        head = self.chain.head.header
        block = self.chain.block_by_hash(head.hash)
        receipts = self.chain.receipts(head.hash)
        assert block is not None
        assert receipts is not None
        if self.chain.pool.executable_count:
            raise RuntimeError(f"block {head.number} left {self.chain.pool.executable_count} transactions behind")
        for transaction, receipt in zip(block.transactions, receipts, strict=True):
            kind = self.expected.pop(transaction.hash, None)
            self.counts["succeeded" if receipt.status else "failed"] += 1
            if receipt.status and kind is not None and receipt.contract_address is not None:
                self.contracts[kind].append(receipt.contract_address)
                self.counts["deployed"] += 1

    # Transactions

    def sign(
        self,
        to: bytes | None,
        data: bytes = b"",
        *,
        value_wei: int = 0,
        gas: int = CALL_GAS,
        authorizations: tuple[Authorization, ...] = (),
    ) -> Transaction:
        """A transaction of a random sender."""
        index = self.random.randrange(SENDERS)
        unsigned = Transaction(
            type=TransactionType.SET_CODE if authorizations else TransactionType.DYNAMIC_FEE,
            chain_id=CHAIN_ID,
            nonce=self.nonces[index],
            max_fee_per_gas=FEE_WEI,
            max_priority_fee_per_gas=TIP_WEI,
            gas_limit=max(gas, LEAST_GAS + LEAST_BYTE_GAS * len(data)),
            to=None if to is None else Address(to),
            value=value_wei,
            data=data,
            authorization_list=authorizations,
        )
        self.nonces[index] += 1
        return unsigned.with_signature(*_sign(self.keys[index], unsigned.signing_hash))

    def transfer(self) -> Transaction:
        """Wei to an account of either kind."""
        self.counts["transfers"] += 1
        return self.sign(self._account(), value_wei=self.random.randrange(10**15), gas=200_000)

    def deploy(self) -> Transaction:
        """Any contract in any form."""
        return self.random.choice(list(self._deployments()))()

    def _deployments(self) -> Iterator[Callable[[], Transaction]]:
        for form in range(len(FORMS)):
            for name in COUNTERS:
                yield partial(self._deploy_wasm, "counter", name, form, words((7,)))
            yield partial(self._deploy_wasm, "token", "token.zig", form, words((10**24,)))
            yield partial(self._deploy_wasm, "probe", "probe.zig", form, None)
        yield partial(self._deploy_evm, "counter", self.evm["Counter"] + words((7,)))
        yield partial(self._deploy_evm, "token", self.evm["TwinToken"] + words((10**24,)))
        for code in (FORWARDER, DELEGATOR):
            yield partial(self._deploy_evm, "relay", returning(code))
        for code in (MAKER, SALTED_MAKER):
            yield partial(self._deploy_evm, "maker", returning(code))

    def _deploy_wasm(self, kind: str, name: str, form: int, arguments: bytes | None) -> Transaction:
        payload = None if arguments is None else constructor_payload(arguments)
        return self._expect(kind, self.sign(None, FORMS[form](wasm(name), payload), gas=DEPLOYMENT_GAS))

    def _deploy_evm(self, kind: str, code: bytes) -> Transaction:
        return self._expect(kind, self.sign(None, code, gas=DEPLOYMENT_GAS))

    def _expect(self, kind: str, transaction: Transaction) -> Transaction:
        self.expected[transaction.hash] = kind
        return transaction

    def deploy_invalid(self) -> Transaction:
        """Data that looks like a module but is not, or runs out of gas."""
        self.counts["invalid modules"] += 1
        return self.sign(None, self._invalid(), gas=self.random.choice((200_000, 1_000_000, DEPLOYMENT_GAS)))

    def _invalid(self) -> bytes:
        random = self.random
        module = bytearray(wasm(random.choice((*COUNTERS, "probe.zig"))))
        kind = random.randrange(5)
        if kind == 0:
            for _ in range(random.randrange(1, 4)):
                module[random.randrange(8, len(module))] ^= 1 << random.randrange(8)
        elif kind == 1:
            del module[random.randrange(8, len(module)) :]
        elif kind == 2:
            return b"\xef\xf0\x00" + bytes((random.randrange(2),)) + random.randbytes(60)
        elif kind == 3:
            return b"".join((b"\xef\xf0\x00\x00", brotli.compress(b"\0asm\x01\0\0\0" + bytes(600_000))))
        else:
            module += bytes((random.randrange(13), 0))
        return random.choice(FORMS)(bytes(module), None)

    def use_counter(self) -> Transaction:
        """A function of a counter, its faults among them."""
        self.counts["counter calls"] += 1
        return self.sign(self._one("counter"), self._counter_data(), gas=self._gas())

    def _counter_data(self) -> bytes:
        random = self.random
        return random.choice(
            (
                signature_selector("increment()"),
                signature_selector("setNumber(uint256)") + words((random.randrange(1_100_000),)),
                signature_selector("refuse()"),
                signature_selector("divide(uint256,uint256)") + words((random.getrandbits(256), random.randrange(2))),
                signature_selector("nothing()"),
                b"",
                random.randbytes(random.randrange(40)),
            )
        )

    def use_token(self) -> Transaction:
        """A function of a token."""
        self.counts["token calls"] += 1
        return self.sign(self._one("token"), self._token_data(), gas=self._gas())

    def _token_data(self) -> bytes:
        random = self.random
        to, amount = self._account(), random.choice((0, 1, 10**18, 10**25))
        name, arguments = random.choice(
            (
                ("transfer(address,uint256)", words((to, amount))),
                ("approve(address,uint256)", words((to, random.choice((amount, 2**256 - 1))))),
                ("transferFrom(address,address,uint256)", words((self._account(), to, amount))),
                ("transferAndCall(address,uint256,bytes)", words((to, amount, 96, 2)) + b"hi".ljust(32, b"\0")),
                ("balanceOf(address)", words((to,))),
                ("name()", b""),
            )
        )
        return signature_selector(name) + arguments

    def use_probe(self) -> Transaction:
        """Random steps of the probe."""
        self.counts["probe calls"] += 1
        value_wei = self.random.choice((0, 0, 3))
        return self.sign(self._one("probe"), self._probe_data(), value_wei=value_wei, gas=self._gas())

    def _probe_data(self) -> bytes:
        accounts = [*self.contracts["probe"] * 2, *(self._account() for _ in range(12))]
        creations = [wasm("counter.ts"), returning(FORWARDER), self._invalid(), creation_data(wasm("probe.zig"))]
        return ProbeData(self.random, accounts, creations).make()

    def forward(self) -> Transaction:
        """A call of a WebAssembly contract through one of the EVM."""
        self.counts["EVM to WebAssembly calls"] += 1
        kind, data = self.random.choice(
            (("counter", self._counter_data), ("token", self._token_data), ("probe", self._probe_data))
        )
        return self.sign(self._one("relay"), words((self._one(kind),)) + data(), gas=self._gas())

    def make(self) -> Transaction:
        """A creation by a contract of the EVM."""
        self.counts["creations by contracts"] += 1
        form = self.random.choice(FORMS)
        code = form(wasm(self.random.choice(COUNTERS)), constructor_payload(words((3,))))
        if self.random.random() < 0.2:
            code = self._invalid()
        return self.sign(self._one("maker"), code, gas=DEPLOYMENT_GAS)

    def delegate(self) -> Transaction:
        """An EIP-7702 delegation of an account to a contract, mostly of WebAssembly, or back to none."""
        self.counts["delegations"] += 1
        index = self.random.randrange(SENDERS, SENDERS + AUTHORITIES)
        target = self._one(self.random.choice(("counter", "token", "probe", "probe")))
        if self.random.random() < 0.1:
            target = bytes(20)
        nonce = self.nonces[index]
        self.nonces[index] += 1
        fields = [rlp.encode_int(CHAIN_ID), target, rlp.encode_int(nonce)]
        signature = _sign(self.keys[index], keccak256(SET_CODE_MAGIC + rlp.encode([*fields])))
        authorization = Authorization(CHAIN_ID, Address(target), nonce, *signature)
        data = self._probe_data()
        return self.sign(self.addresses[index], data, gas=self._gas(), authorizations=(authorization,))

    def use_delegated(self) -> Transaction:
        """A call of an account that may have been delegated."""
        self.counts["calls of delegated accounts"] += 1
        data = self.random.choice((self._probe_data, self._counter_data, self._token_data))()
        return self.sign(self.random.choice(self.addresses[SENDERS:]), data, gas=self._gas())

    def _gas(self) -> int:
        return self.random.choice((CALL_GAS, CALL_GAS, CALL_GAS, CALL_GAS, 300_000, 120_000))

    def _one(self, kind: str) -> bytes:
        return self.random.choice(self.contracts[kind])

    def _account(self) -> bytes:
        kinds = [self.addresses, *self.contracts.values(), [bytes(19) + b"\x04", bytes(19) + b"\x71", bytes(20)]]
        return self.random.choice(self.random.choice([kind for kind in kinds if kind]))


def _address(key: PrivateKey) -> bytes:
    return keccak256(key.public_key.format(compressed=False)[1:])[12:]


def _sign(key: PrivateKey, digest: bytes) -> tuple[int, int, int]:
    """(parity of y, r, s)"""
    signature = key.sign_recoverable(digest, hasher=None)
    return signature[64], int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
