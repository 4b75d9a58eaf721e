"""B12: no credit of any kind makes a balance that its own record cannot hold."""

from collections.abc import Callable

import pytest

from tests.chain.vm.support import (
    COINBASE,
    CONTRACT,
    ETHER,
    GWEI,
    SENDER,
    FakeAccount,
    assemble,
    environment_of,
    state_of,
    transaction_of,
)
from zevm.chain.rules.forks import Fork
from zevm.chain.types import Header, Withdrawal
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest, VmErrorKind
from zevm.storage.account import MAX_BALANCE, MAX_NONCE, Account, decode_account, encode_account
from zevm.storage.errors import CorruptionError
from zevm.storage.rlp import encode_bytes, encode_uint, wrap_list

RICH = b"\x55" * 20
FULL = FakeAccount(balance=MAX_BALANCE)


def with_full() -> BlockState:
    return state_of({RICH: FULL, COINBASE: FULL})


def pay(state: BlockState) -> None:
    outcome = Executor(environment_of(), state).apply(transaction_of(to=RICH, value=1), 60_000_000)
    assert outcome.error is not None
    assert outcome.error.kind is VmErrorKind.BALANCE_OVERFLOW
    assert outcome.error.message == "balance of the recipient would exceed 2^256 - 1 wei"


def run(source: str, expected: int, balance: int = ETHER) -> Callable[[BlockState], None]:
    """Code that leaves a word; the state keeps what it did."""

    def action(state: BlockState) -> None:
        state.set_code(CONTRACT, assemble(f"{source} 0 MSTORE 32 0 RETURN"))
        state.set_balance(CONTRACT, balance)
        request = CallRequest(SENDER, CONTRACT, 1_000_000)
        outcome = Executor(environment_of(), state).call_alone(request)
        assert outcome.error is None
        assert int.from_bytes(outcome.output, "big") == expected

    return action


def destroy(state: BlockState) -> None:
    state.set_code(CONTRACT, assemble(f"0x{RICH.hex()} SELFDESTRUCT"))
    state.set_balance(CONTRACT, 5)
    outcome = Executor(environment_of(), state).call_alone(CallRequest(SENDER, CONTRACT, 1_000_000))
    assert outcome.error is None
    assert state.get_balance(CONTRACT) == 0


def create(state: BlockState) -> None:
    request = CallRequest(SENDER, None, 1_000_000, value=1, data=b"\x00")
    address = Executor(environment_of(), state).call(request).contract_address
    assert address is not None
    second = state_of({address: FULL, SENDER: FakeAccount(balance=ETHER)})
    outcome = Executor(environment_of(), second).call(request)
    assert outcome.error is not None
    assert outcome.error.kind is VmErrorKind.BALANCE_OVERFLOW
    assert second.get_balance(address) == MAX_BALANCE


def withdraw(state: BlockState) -> None:
    Executor(environment_of(), state).withdraw([Withdrawal(0, 0, RICH, 1)])


def reward(state: BlockState) -> None:
    uncle = Header(parent_hash=bytes(32), coinbase=RICH, number=0)
    Executor(environment_of(Fork.BYZANTIUM), state).pay_block_reward([uncle])


def pay_fee(state: BlockState) -> None:
    outcome = Executor(environment_of(), state).apply(transaction_of(to=CONTRACT), 60_000_000)
    assert outcome.error is None


def refund(state: BlockState) -> None:
    """The sender becomes full while its gas is out: what it gets back ends there."""
    state.set_balance(SENDER, MAX_BALANCE)
    state.set_code(CONTRACT, assemble(f"0x{SENDER.hex()} SELFDESTRUCT"))
    state.set_balance(CONTRACT, ETHER)
    outcome = Executor(environment_of(), state).apply(transaction_of(to=CONTRACT), 60_000_000)
    assert outcome.error is None
    assert state.get_balance(SENDER) == MAX_BALANCE


def pay_itself(state: BlockState) -> None:
    state.set_balance(SENDER, MAX_BALANCE)
    outcome = Executor(environment_of(), state).call(CallRequest(SENDER, SENDER, 100_000, value=MAX_BALANCE))
    assert outcome.error is None
    assert state.get_balance(SENDER) == MAX_BALANCE


CALL_RICH = f"0 0 0 0 1 0x{RICH.hex()} GAS CALL"
CREDITS: dict[str, Callable[[BlockState], None]] = {
    "a transaction's value": pay,
    "a call's value": run(CALL_RICH, 0),
    "a call code's value": run(f"0 0 0 0 1 0x{RICH.hex()} GAS CALLCODE", 1, balance=MAX_BALANCE),
    "what is asked afterwards": run(f"{CALL_RICH} POP 0x{RICH.hex()} BALANCE", MAX_BALANCE),
    "a self-destruction": destroy,
    "a creation": create,
    "a withdrawal": withdraw,
    "a block's and an uncle's reward": reward,
    "a tip": pay_fee,
    "gas given back": refund,
    "a payment to itself": pay_itself,
}


@pytest.mark.parametrize("kind", CREDITS)
def test_b12_no_credit_passes_256_bits(kind: str) -> None:
    state = with_full()
    CREDITS[kind](state)
    for change in state.diff().accounts.values():
        encode_account(Account(change.nonce, change.balance))
    for address in (RICH, COINBASE):
        assert state.get_balance(address) == MAX_BALANCE
    assert state.get_balance(SENDER) <= MAX_BALANCE


@pytest.mark.parametrize("kind", ["a transaction's value", "a call's value"])
def test_b12_a_refused_payment_moves_nothing(kind: str) -> None:
    state = with_full()
    CREDITS[kind](state)
    contract = state.get_balance(CONTRACT)
    assert contract == (ETHER if kind == "a call's value" else 0)
    # the sender of the transaction has paid its gas and not the value
    assert (1000 * ETHER - state.get_balance(SENDER)) % GWEI == 0


@pytest.mark.parametrize(
    "account", [Account(nonce=1 << 64), Account(balance=1 << 256), Account(nonce=-1), Account(balance=-1)]
)
def test_b12_what_cannot_be_read_is_not_written(account: Account) -> None:
    with pytest.raises(ValueError, match="no account can have"):
        encode_account(account)


@pytest.mark.parametrize(("nonce", "balance"), [(1 << 64, 0), (0, 1 << 256), (MAX_NONCE + 1, MAX_BALANCE + 1)])
def test_b12_what_was_never_written_is_not_read(nonce: int, balance: int) -> None:
    record = wrap_list(encode_uint(nonce) + encode_uint(balance) + encode_bytes(bytes(32)) * 2)
    with pytest.raises(CorruptionError):
        decode_account(record)
    good = Account(MAX_NONCE, MAX_BALANCE)
    assert decode_account(encode_account(good)) == good
