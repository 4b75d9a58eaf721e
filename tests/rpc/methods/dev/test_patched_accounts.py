"""Accounts patched in any order, between transactions, snapshots and restarts, against a model of dictionaries."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.rpc.methods.memory_node import ALICE, KEYS, Node, TestWallet, hexadecimal, signed_transfer
from zevm.chain.blockchain import Chain
from zevm.chain.rules.genesis import Genesis
from zevm.rpc.limits import Limits
from zevm.rpc.methods.dev import accounts, state
from zevm.rpc.methods.support.instance import load_instance_id
from zevm.rpc.methods.support.reading import account_of, code_of
from zevm.rpc.services import Services
from zevm.storage.database import Database

ACCOUNTS = tuple(bytes([0xD0 + index]) * 20 for index in range(2))
SLOTS = (0, 1, 2**256 - 1)
CODES = (b"", b"\x00", b"\x5b\x00")
VALUES = st.sampled_from((0, 1, 2**256 - 1))


@dataclass(frozen=True)
class Expected:
    """An account as it must read."""

    nonce: int = 0
    balance: int = 0
    code: bytes = b""
    slots: dict[int, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Empty as EIP-161 has it: whatever the storage holds."""
        return (self.nonce, self.balance, self.code) == (0, 0, b"")


Model = dict[bytes, Expected]


class Patched:
    """A chain, the model beside it, and the snapshots of both."""

    def __init__(self) -> None:
        self.database = Database.open(None)
        self.genesis = Genesis.default(accounts=[ALICE], timestamp=1_700_000_000)
        self.model: Model = {address: Expected() for address in ACCOUNTS}
        self.open()

    def open(self) -> None:
        """Start upon what the database holds."""
        self.chain = Chain(self.database, self.genesis)
        self.services = Services(self.chain, TestWallet(), Limits(), "zevm/test", load_instance_id(self.database))
        self.snapshots: list[tuple[str, Model]] = []

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        self.chain.writer.run(accounts.set_storage_at, self.services, address, slot, value)
        account = self.model[address]
        self.model[address] = replace(account, slots={**account.slots, slot: value})

    def set_code(self, address: bytes, code: bytes) -> None:
        self.chain.writer.run(accounts.set_code, self.services, address, code)
        self.model[address] = replace(self.model[address], code=code)

    def set_balance(self, address: bytes, balance: int) -> None:
        self.chain.writer.run(accounts.set_balance, self.services, [address], balance)
        self.model[address] = replace(self.model[address], balance=balance)

    def set_nonce(self, address: bytes, nonce: int) -> None:
        self.chain.writer.run(accounts.set_nonce, self.services, address, nonce)
        self.model[address] = replace(self.model[address], nonce=nonce)

    def transfer(self, address: bytes, value: int) -> None:
        """A transaction to the account: one that leaves it empty removes it with its storage, as EIP-161 says."""
        nonce = account_of(self.chain.head.state, ALICE).nonce
        fields = {"nonce": nonce, "to": address, "value": value, "gas_limit": 30_000}
        transaction = signed_transfer(self.chain.chain_id, KEYS[0], **fields)
        self.chain.writer.run(self.chain.send_transaction, transaction)
        after = replace(self.model[address], balance=self.model[address].balance + value)
        self.model[address] = Expected() if after.is_empty else after

    def mine(self) -> None:
        self.chain.writer.run(self.chain.mine)

    def snapshot(self) -> None:
        self.snapshots.append((self.chain.writer.run(state.snapshot, self.services), dict(self.model)))

    def revert(self) -> None:
        if self.snapshots:
            number, self.model = self.snapshots.pop()
            assert self.chain.writer.run(state.revert, self.services, int(number, 16))

    def restart(self) -> None:
        self.chain.close()
        self.open()

    def check(self) -> None:
        """Flat state and trie say what the model says, and no account is there without anything in it."""
        state = self.chain.head.state
        for reader in (state, self.database.state.by_trie(state.root)):
            for address, expected in self.model.items():
                account = account_of(reader, address)
                assert (account.nonce, account.balance) == (expected.nonce, expected.balance)
                assert code_of(reader, address) == expected.code
                slots = {slot: reader.storage(address, slot) for slot in SLOTS}
                assert slots == dict.fromkeys(SLOTS, 0) | expected.slots
                has_any = not expected.is_empty or any(expected.slots.values())
                assert (reader.account(address) is not None) == has_any
        assert self.database.state.verify(state.root, self.database.store.snapshot()) == []


_ADDRESS = st.sampled_from(ACCOUNTS)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set_storage"), _ADDRESS, st.sampled_from(SLOTS), VALUES),
        st.tuples(st.just("set_code"), _ADDRESS, st.sampled_from(CODES)),
        st.tuples(st.just("set_balance"), _ADDRESS, st.sampled_from((0, 1))),
        st.tuples(st.just("set_nonce"), _ADDRESS, st.sampled_from((0, 1))),
        st.tuples(st.just("transfer"), _ADDRESS, st.sampled_from((0, 1))),
        st.sampled_from([("mine",), ("snapshot",), ("revert",), ("restart",)]),
    ),
    max_size=12,
)
A = ACCOUNTS[0]


@pytest.mark.lengthy
@settings(max_examples=60, deadline=None)
@given(STEPS)
@example([("set_storage", A, 0, 1)])
@example([("set_storage", A, 0, 1), ("set_code", A, b"\x00"), ("restart",)])
@example([("set_storage", A, 0, 1), ("set_balance", A, 1), ("set_balance", A, 0), ("mine",)])
@example([("set_nonce", A, 1), ("set_storage", A, 1, 1), ("set_nonce", A, 0), ("restart",), ("set_code", A, b"\x00")])
@example([("set_storage", A, 0, 1), ("set_storage", A, 0, 0)])
@example([("set_storage", A, 0, 1), ("snapshot",), ("transfer", A, 0), ("revert",)])
def test_r4_patches_keep_storage_in_any_order(steps: list[tuple[object, ...]]) -> None:
    """R4: storage stays whatever else the account has, and goes where the protocol removes the account."""
    patched = Patched()
    for name, *arguments in steps:
        getattr(patched, str(name))(*arguments)
        patched.check()
    patched.chain.close()


async def test_r4_storage_of_an_account_that_is_nothing_else(node: Node) -> None:
    """R4: the report's own input; and what was set is there for code that comes later."""
    target, value = "0x" + "d0" * 20, "0x" + "00" * 31 + "2a"
    assert await node.call("hardhat_setStorageAt", target, "0x0", value) is True
    assert await node.call("eth_getStorageAt", target, "0x0") == value
    await node.call("hardhat_setCode", target, "0x60005460005260206000f3")
    assert await node.call("eth_call", {"to": target}) == value


@pytest.mark.parametrize("name", ["stateDiff", "state"])
async def test_r4_overridden_storage_of_an_account_that_is_nothing_else(node: Node, name: str) -> None:
    """R4's sibling: overrides of a call."""
    target, value = "0x" + "d0" * 20, "0x" + "00" * 31 + "2a"
    overrides = {target: {name: {"0x" + "00" * 32: value}, "code": "0x60005460005260206000f3"}}
    assert await node.call("eth_call", {"to": target, "from": hexadecimal(ALICE)}, "latest", overrides) == value
    simulated = await node.call(
        "eth_simulateV1",
        {
            "blockStateCalls": [
                {"stateOverrides": {target: {name: {"0x" + "00" * 32: value}}}},
                {"stateOverrides": {target: {"code": "0x60005460005260206000f3"}}, "calls": [{"to": target}]},
            ]
        },
    )
    assert simulated[1]["calls"][0]["returnData"] == value
