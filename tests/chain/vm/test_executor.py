"""Whole transactions: who pays what, refunds, delegations, collisions, deletions, calls off chain."""

from dataclasses import replace

import pytest
from coincurve import PrivateKey

from tests.chain.vm.support import (
    COINBASE,
    CONTRACT,
    ETHER,
    GWEI,
    SENDER,
    FakeAccount,
    assemble,
    deploying,
    environment_of,
    returning,
    run_code,
    state_of,
    transaction_of,
)
from zevm.chain.errors import TransactionError
from zevm.chain.rules.forks import Fork
from zevm.chain.types import AccessListEntry, Authorization, Header, Transaction, TransactionType, Withdrawal
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.calls import contract_address
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest, Outcome, VmErrorKind
from zevm.storage import rlp
from zevm.storage.account import StateDiff
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.primitives import Address

OTHER = b"\x44" * 20
KEY = PrivateKey(b"\x07" * 32)
AUTHORITY = keccak256(KEY.public_key.format(compressed=False)[1:])[12:]


def execute(state: BlockState, transaction: Transaction, fork: Fork = Fork.OSAKA, **changes: object) -> Outcome:
    return Executor(environment_of(fork, **changes), state).apply(transaction, 60_000_000, 10**6)


def test_transfer_pays_receiver_coinbase_and_burns_the_base_fee() -> None:
    state = state_of({})
    outcome = execute(state, transaction_of(to=OTHER, value=5, gas_limit=21_000))
    assert (outcome.gas_used, outcome.succeeded, outcome.contract_address) == (21_000, True, None)
    assert state.get_balance(OTHER) == 5
    assert state.get_balance(COINBASE) == 21_000 * GWEI
    assert state.get_balance(SENDER) == 1000 * ETHER - 5 - 21_000 * 2 * GWEI
    assert state.get_nonce(SENDER) == 1


def test_before_london_the_coinbase_gets_the_whole_fee() -> None:
    state = state_of({})
    legacy = transaction_of(type=TransactionType.LEGACY, to=OTHER, gas_limit=30_000)
    outcome = execute(state, legacy, Fork.BERLIN)
    assert outcome.gas_used == 21_000
    assert state.get_balance(COINBASE) == 21_000 * 3 * GWEI
    assert state.get_balance(SENDER) == 1000 * ETHER - 21_000 * 3 * GWEI


def test_blob_fee_is_burnt() -> None:
    state = state_of({})
    blob = transaction_of(
        type=TransactionType.BLOB,
        to=OTHER,
        gas_limit=21_000,
        blob_versioned_hashes=(b"\x01" + bytes(31),),
        max_fee_per_blob_gas=10,
    )
    execute(state, blob, blob_base_fee=7)
    assert state.get_balance(SENDER) == 1000 * ETHER - 21_000 * 2 * GWEI - 7 * 131_072


def test_a_failed_transaction_costs_its_gas_and_keeps_no_log() -> None:
    state = state_of({CONTRACT: FakeAccount(code=assemble("0 0 LOG0 1 0 SSTORE INVALID"))})
    outcome = execute(state, transaction_of(value=9))
    assert outcome.error is not None
    assert outcome.logs == ()
    assert outcome.gas_used == 1_000_000
    assert state.get_balance(CONTRACT) == 0
    assert state.get_storage(CONTRACT, 0) == 0
    assert state.get_nonce(SENDER) == 1


@pytest.mark.parametrize(
    ("fork", "used_before", "refund"),
    [
        (Fork.OSAKA, 21_000 + 8 * (6 + 5000), 8 * 4800),
        (Fork.BERLIN, 21_000 + 8 * (6 + 5000), 8 * 15_000),
        (Fork.BYZANTIUM, 21_000 + 8 * (6 + 5000), 8 * 15_000),
    ],
)
def test_refunds_are_capped(fork: Fork, used_before: int, refund: int) -> None:
    code = assemble(" ".join(f"0 {slot} SSTORE" for slot in range(1, 9)))
    state = state_of({CONTRACT: FakeAccount(code=code, storage=dict.fromkeys(range(1, 9), 1))})
    kind = TransactionType.DYNAMIC_FEE if fork >= Fork.LONDON else TransactionType.LEGACY
    outcome = execute(state, transaction_of(type=kind), fork)
    quotient = 5 if fork >= Fork.LONDON else 2
    assert outcome.gas_used_before_refund == used_before
    assert outcome.gas_used == used_before - min(refund, used_before // quotient)


def test_calldata_floor() -> None:
    state = state_of({})
    outcome = execute(state, transaction_of(to=OTHER, data=b"\x01" * 1000, gas_limit=61_000))
    assert (outcome.gas_used, outcome.gas_used_before_refund) == (21_000 + 40 * 1000, 61_000)
    outcome = execute(state_of({}), transaction_of(to=OTHER, data=b"\x01" * 1000, gas_limit=61_000), Fork.CANCUN)
    assert outcome.gas_used == 21_000 + 16 * 1000


def test_access_list_warms() -> None:
    code = returning(f"GAS 0x{OTHER.hex()} BALANCE POP 7 SLOAD POP GAS SWAP1 SUB")
    entries = (AccessListEntry(OTHER), AccessListEntry(CONTRACT, ((7).to_bytes(32, "big"),)))
    cold = run_code(code)
    warm = run_code(code, access_list=entries)
    assert int.from_bytes(cold.output, "big") - int.from_bytes(warm.output, "big") == 2500 + 2000


@pytest.mark.parametrize(("fork", "cost"), [(Fork.PARIS, 2600), (Fork.SHANGHAI, 100)])
def test_coinbase_is_warm_from_shanghai(fork: Fork, cost: int) -> None:
    outcome = run_code(returning("GAS COINBASE BALANCE POP GAS SWAP1 SUB"), fork)
    assert int.from_bytes(outcome.output, "big") == cost + 2 + 2 + 2


def test_creation_sets_code_nonce_and_address() -> None:
    state = state_of({})
    outcome = execute(state, transaction_of(to=None, data=deploying(b"\x60\x01"), value=3))
    address = contract_address(SENDER, 0)
    assert outcome.contract_address == address
    assert state.get_code(address) == b"\x60\x01"
    assert (state.get_nonce(address), state.get_balance(address)) == (1, 3)


@pytest.mark.parametrize(
    "occupant",
    [FakeAccount(nonce=1), FakeAccount(balance=1, code=b"\x00"), FakeAccount(balance=1, storage={1: 1})],
    ids=["nonce", "code", "storage"],
)
def test_creation_at_a_taken_address_fails(occupant: FakeAccount) -> None:
    address = contract_address(SENDER, 0)
    state = state_of({address: occupant})
    outcome = execute(state, transaction_of(to=None, data=deploying(b"\x00"), value=1))
    assert outcome.error is not None
    assert outcome.error.kind is VmErrorKind.ADDRESS_COLLISION
    assert outcome.gas_used == 1_000_000
    assert (state.get_nonce(SENDER), state.get_balance(address)) == (1, occupant.balance)


def test_creation_by_a_contract_at_an_address_with_storage_fails() -> None:
    address = contract_address(CONTRACT, 1)
    state = state_of(
        {CONTRACT: FakeAccount(nonce=1, code=assemble("0 0 0 CREATE 0 SSTORE")), address: FakeAccount(storage={1: 1})}
    )
    execute(state, transaction_of())
    assert state.get_storage(CONTRACT, 0) == 0
    assert state.get_nonce(CONTRACT) == 2


@pytest.mark.parametrize(("initcode", "size"), [("5 0 REVERT", 5), ("5 0 RETURN", 0), ("INVALID", 0)])
def test_return_data_after_a_creation_is_what_it_reverted_with(initcode: str, size: int) -> None:
    code = assemble(initcode)
    identity = "0 0 7 0 4 GAS STATICCALL POP"
    source = f"{identity} 0x{code.hex()} 0 MSTORE {len(code)} {32 - len(code)} 0 CREATE POP RETURNDATASIZE"
    assert int.from_bytes(run_code(returning(source)).output, "big") == size


def authorize(target: bytes, nonce: int = 0, chain_id: int = 31337) -> Authorization:
    digest = keccak256(b"\x05" + rlp.encode([rlp.encode_int(chain_id), target, rlp.encode_int(nonce)]))
    signature = KEY.sign_recoverable(digest, hasher=None)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    return Authorization(chain_id, target, nonce, signature[64], r, s)


def delegating(*authorizations: Authorization, **changes: object) -> Transaction:
    return transaction_of(type=TransactionType.SET_CODE, authorization_list=authorizations, **changes)


def test_delegation_runs_the_targets_code_on_the_authoritys_storage() -> None:
    state = state_of({OTHER: FakeAccount(code=assemble("ADDRESS 0 SSTORE"))})
    execute(state, delegating(authorize(OTHER), to=AUTHORITY))
    assert state.get_code(AUTHORITY) == b"\xef\x01\x00" + OTHER
    assert state.get_nonce(AUTHORITY) == 1
    assert state.get_storage(AUTHORITY, 0) == int.from_bytes(AUTHORITY, "big")


def test_a_delegation_is_cleared_by_the_zero_address() -> None:
    state = state_of({AUTHORITY: FakeAccount(balance=1, code=b"\xef\x01\x00" + OTHER)})
    execute(state, delegating(authorize(bytes(20)), to=OTHER))
    assert state.get_code_hash(AUTHORITY) == EMPTY_KECCAK


@pytest.mark.parametrize(
    ("authorization", "account"),
    [
        (authorize(OTHER, nonce=1), FakeAccount()),
        (authorize(OTHER, chain_id=5), FakeAccount()),
        (authorize(OTHER, nonce=2**64 - 1), FakeAccount(nonce=2**64 - 1)),
        (authorize(OTHER), FakeAccount(code=b"\x00")),
        (replace(authorize(OTHER), s=2**256 - 1), FakeAccount()),
    ],
    ids=["nonce", "chain", "maximum nonce", "has code", "high s"],
)
def test_authorizations_that_do_not_hold_are_passed_over(authorization: Authorization, account: FakeAccount) -> None:
    state = state_of({AUTHORITY: account})
    outcome = execute(state, delegating(authorization, to=OTHER))
    assert outcome.gas_used == 21_000 + 25_000
    assert state.get_code(AUTHORITY) == account.code


def test_an_existing_authority_refunds_half() -> None:
    state = state_of({AUTHORITY: FakeAccount(balance=1)})
    outcome = execute(state, delegating(authorize(OTHER), to=OTHER))
    assert outcome.gas_used_before_refund == 46_000
    assert outcome.gas_used == 46_000 - 46_000 // 5


def test_a_delegated_account_may_send_and_call_itself() -> None:
    """py-evm took a self-call for the outermost frame."""
    code = assemble("CALLDATASIZE 12 JUMPI 0 0 1 0 0 ADDRESS GAS CALL JUMPDEST 1 0 SSTORE")
    position = code.index(b"\x5b")
    code = code.replace(bytes((0x60, 12)), bytes((0x60, position)))
    state = state_of({SENDER: FakeAccount(balance=ETHER, code=b"\xef\x01\x00" + OTHER), OTHER: FakeAccount(code=code)})
    sent = transaction_of(to=SENDER)
    assert execute(state, sent).succeeded
    assert state.get_storage(SENDER, 0) == 1


def destroy(fork: Fork, state: BlockState) -> StateDiff:
    kind = TransactionType.DYNAMIC_FEE if fork >= Fork.LONDON else TransactionType.LEGACY
    assert execute(state, transaction_of(type=kind), fork).succeeded
    return state.diff()


def test_selfdestruct_by_fork() -> None:
    account = FakeAccount(balance=7, code=assemble(f"0x{OTHER.hex()} SELFDESTRUCT"), storage={1: 1})
    state = state_of({CONTRACT: account})
    assert destroy(Fork.SHANGHAI, state).accounts[CONTRACT] is None
    assert state.get_balance(OTHER) == 7
    state = state_of({CONTRACT: account})
    change = destroy(Fork.CANCUN, state).accounts[CONTRACT]
    assert change is not None
    assert (change.balance, state.get_balance(OTHER), state.get_storage(CONTRACT, 1)) == (0, 7, 1)


def test_selfdestruct_to_itself_burns_only_when_it_deletes() -> None:
    account = FakeAccount(balance=7, code=assemble("ADDRESS SELFDESTRUCT"))
    assert destroy(Fork.SHANGHAI, state_of({CONTRACT: account})).accounts[CONTRACT] is None
    assert CONTRACT not in destroy(Fork.CANCUN, state_of({CONTRACT: account})).accounts


def test_a_contract_made_and_destroyed_in_one_transaction_goes() -> None:
    state = state_of({})
    outcome = execute(state, transaction_of(to=None, data=assemble(f"0x{OTHER.hex()} SELFDESTRUCT"), value=4))
    assert outcome.succeeded
    assert state.diff().accounts.keys() == {SENDER, OTHER, COINBASE}
    assert state.get_balance(OTHER) == 4


def test_selfdestruct_refund_ended_with_london() -> None:
    account = FakeAccount(balance=0, code=assemble(f"0x{SENDER.hex()} SELFDESTRUCT"))
    legacy = transaction_of(type=TransactionType.LEGACY)
    berlin = execute(state_of({CONTRACT: account}), legacy, Fork.BERLIN)
    london = execute(state_of({CONTRACT: account}), legacy, Fork.LONDON)
    assert berlin.gas_used == berlin.gas_used_before_refund // 2 + berlin.gas_used_before_refund % 2
    assert london.gas_used == london.gas_used_before_refund == berlin.gas_used_before_refund


@pytest.mark.parametrize("fork", [Fork.SPURIOUS_DRAGON, Fork.OSAKA])
def test_empty_accounts_that_are_touched_go(fork: Fork) -> None:
    """The beneficiary of nothing, the target of an empty call, a coinbase that earns nothing."""
    called = b"\x55" * 20
    code = assemble(f"0 0 0 0 0 0x{called.hex()} GAS CALL 0x{OTHER.hex()} SELFDESTRUCT")
    state = state_of(
        {CONTRACT: FakeAccount(code=code), OTHER: FakeAccount(), called: FakeAccount(), COINBASE: FakeAccount()}
    )
    kind = TransactionType.DYNAMIC_FEE if fork >= Fork.LONDON else TransactionType.LEGACY
    free = transaction_of(type=kind, max_fee_per_gas=0, max_priority_fee_per_gas=0)
    assert execute(state, free, fork, base_fee_per_gas=0 if fork >= Fork.LONDON else None).succeeded
    accounts = state.diff().accounts
    assert [accounts.get(Address(address), "kept") for address in (OTHER, called, COINBASE)] == [None, None, None]


def test_before_spurious_dragon_touching_creates() -> None:
    state = state_of({CONTRACT: FakeAccount(code=assemble(f"0x{OTHER.hex()} SELFDESTRUCT"))})
    free = transaction_of(type=TransactionType.LEGACY, chain_id=None, max_fee_per_gas=0, max_priority_fee_per_gas=0)
    assert execute(state, free, Fork.HOMESTEAD).succeeded
    assert state.account_exists(OTHER)
    assert state.account_exists(COINBASE)


def test_code_that_cannot_be_paid_for() -> None:
    """Frontier keeps the contract without code; Homestead fails the creation (EIP-2)."""
    creation = transaction_of(
        type=TransactionType.LEGACY, chain_id=None, to=None, data=deploying(bytes(200)), gas_limit=60_000
    )
    state = state_of({})
    outcome = execute(state, creation, Fork.FRONTIER)
    assert outcome.succeeded
    assert state.get_code(contract_address(SENDER, 0)) == b""
    failed = execute(state_of({}), creation, Fork.HOMESTEAD)
    assert failed.error is not None
    assert failed.error.kind is VmErrorKind.CODE_STORE_OUT_OF_GAS


@pytest.mark.parametrize(("gas", "written"), [(2300 + 6, False), (2301 + 6, True)])
def test_storage_is_not_written_with_a_stipend(gas: int, written: bool) -> None:
    """EIP-2200: SSTORE needs more than 2,300 gas, even where it costs 100."""
    inner = assemble("0 0 SSTORE")
    code = returning(f"0 SLOAD POP 0 0 0 0 0x{OTHER.hex()} {gas} DELEGATECALL")
    state = state_of({CONTRACT: FakeAccount(code=code), OTHER: FakeAccount(code=inner)})
    assert int.from_bytes(call(state).output, "big") == written


@pytest.mark.parametrize(
    ("original", "values", "used", "refund"),
    [
        (0, (0, 0), 212, 0),
        (0, (0, 1), 20_112, 0),
        (0, (1, 0), 20_112, 19_900),
        (0, (1, 2), 20_112, 0),
        (0, (1, 1), 20_112, 0),
        (1, (0, 0), 3012, 4800),
        (1, (0, 1), 3012, 2800),
        (1, (0, 2), 3012, 0),
        (1, (2, 0), 3012, 4800),
        (1, (2, 3), 3012, 0),
        (1, (2, 1), 3012, 2800),
        (1, (2, 2), 3012, 0),
        (1, (1, 0), 3012, 4800),
        (1, (1, 2), 3012, 0),
        (1, (1, 1), 212, 0),
        (0, (1, 0, 1), 40_118, 19_900),
        (1, (0, 1, 0), 5918, 7600),
    ],
)
def test_net_gas_of_storage(original: int, values: tuple[int, ...], used: int, refund: int) -> None:
    """The table of EIP-3529, with the slot warm from the start."""
    code = assemble(" ".join(f"{value} 0 SSTORE" for value in values))
    state = state_of({CONTRACT: FakeAccount(code=code, storage={0: original} if original else {})})
    warm = (AccessListEntry(CONTRACT, (bytes(32),)),)
    outcome = execute(state, transaction_of(access_list=warm))
    before = 21_000 + 2400 + 1900 + used
    assert outcome.gas_used_before_refund == before
    assert outcome.gas_used == before - min(refund, before // 5)


def test_refused_transactions_change_nothing() -> None:
    state = state_of({})
    with pytest.raises(TransactionError, match="nonce too high"):
        execute(state, transaction_of(nonce=1))
    assert state.diff().accounts == {}


# Calls off chain


def call(state: BlockState, **request: object) -> Outcome:
    return Executor(environment_of(), state).call(CallRequest(**({"sender": SENDER, "to": CONTRACT} | request)))


def test_a_free_call_sees_no_base_fee_and_no_price() -> None:
    source = "BASEFEE 32 MSTORE GASPRICE 0 MSTORE 64 0 RETURN"
    state = state_of({CONTRACT: FakeAccount(code=assemble(source))})
    assert call(state).output == bytes(64)
    paid = call(state, max_fee_per_gas=3 * GWEI, max_priority_fee_per_gas=7, gas_limit=100_000)
    assert int.from_bytes(paid.output[32:], "big") == GWEI
    assert int.from_bytes(paid.output[:32], "big") == GWEI + 7


def test_a_call_without_means_is_refused() -> None:
    address = "0x4444444444444444444444444444444444444444"
    with pytest.raises(TransactionError) as refusal:
        call(state_of({}), sender=OTHER, value=3)
    assert refusal.value.message == (f"insufficient funds for gas * price + value: address {address} have 0 want 3")
    with pytest.raises(TransactionError, match="max fee per gas less than block base fee"):
        call(state_of({}), max_fee_per_gas=5)
    with pytest.raises(TransactionError, match="intrinsic gas too low: have 20000, want 21000"):
        call(state_of({}), gas_limit=20_000)


def test_a_call_may_come_from_a_contract_and_over_the_gas_cap() -> None:
    state = state_of({OTHER: FakeAccount(code=b"\x00"), CONTRACT: FakeAccount(code=returning("CALLER"))})
    assert call(state, sender=OTHER, gas_limit=50_000_000).output[12:] == OTHER


def test_a_simulated_message_sees_the_blocks_fees_and_pays_none() -> None:
    state = state_of({OTHER: FakeAccount(nonce=7), CONTRACT: FakeAccount(code=returning("BASEFEE"))})
    executor = Executor(environment_of(), state)
    outcome = executor.simulate(CallRequest(OTHER, CONTRACT), 3, validate=False)
    assert int.from_bytes(outcome.output, "big") == GWEI
    assert (state.get_balance(OTHER), state.get_nonce(OTHER)) == (0, 8)
    for nonce, text in ((8, "max fee per gas less than block base fee"), (7, "nonce too low"), (9, "nonce too high")):
        with pytest.raises(TransactionError, match=text):
            executor.simulate(CallRequest(OTHER, CONTRACT), nonce, validate=True)


def test_a_simulated_nonce_starts_over_after_the_last_one() -> None:
    state = state_of({OTHER: FakeAccount(nonce=2**64 - 1)})
    Executor(environment_of(), state).simulate(CallRequest(OTHER, CONTRACT), 2**64 - 1, validate=False)
    assert state.get_nonce(OTHER) == 0


def test_state_changed_before_a_call_is_its_original() -> None:
    """An override must price SSTORE as if it had been on chain."""
    code = returning("GAS 5 1 SSTORE GAS SWAP1 SUB")
    state = state_of({CONTRACT: FakeAccount(code=code)})
    state.set_storage(CONTRACT, 1, 9)
    assert int.from_bytes(call(state).output, "big") == 5000 + 3 + 3 + 2


def test_moved_precompiles() -> None:
    identity = (4).to_bytes(20, "big")
    state = state_of({})
    executor = Executor(environment_of(), state, moved_precompiles={identity: OTHER})
    assert executor.call(CallRequest(SENDER, OTHER, data=b"data")).output == b"data"
    assert executor.call(CallRequest(SENDER, identity, data=b"data")).output == b""
    executor = Executor(environment_of(), state, moved_precompiles={identity: None})
    assert executor.call(CallRequest(SENDER, identity, data=b"data")).output == b""


# Payments of a block


def test_withdrawals_are_gwei() -> None:
    state = state_of({})
    Executor(environment_of(), state).withdraw([Withdrawal(0, 0, OTHER, 3), Withdrawal(1, 0, OTHER, 4)])
    assert state.get_balance(OTHER) == 7 * GWEI


@pytest.mark.parametrize(
    ("fork", "ether"), [(Fork.HOMESTEAD, 5), (Fork.BYZANTIUM, 3), (Fork.CONSTANTINOPLE, 2), (Fork.LONDON, 2)]
)
def test_rewards(fork: Fork, ether: int) -> None:
    state = state_of({})
    uncle = Header(parent_hash=bytes(32), coinbase=OTHER, number=8)
    Executor(environment_of(fork, number=10), state).pay_block_reward([uncle])
    assert state.get_balance(COINBASE) == ether * ETHER + ether * ETHER // 32
    assert state.get_balance(OTHER) == ether * ETHER * 6 // 8
