"""Every reason to refuse a transaction, in geth's words."""

from dataclasses import replace
from itertools import combinations
from typing import Any, ClassVar

import pytest

from tests.chain.vm.support import ETHER, GWEI, SENDER, FakeAccount, environment_of, rules_of, state_of, transaction_of
from zevm.chain.errors import Reason, TransactionError
from zevm.chain.rules.forks import Fork
from zevm.chain.types import AccessListEntry, Authorization, Transaction, TransactionType
from zevm.chain.types.signatures import SECP256K1_ORDER, InvalidSignatureError
from zevm.chain.vm import validation
from zevm.chain.vm.gas_needs import gas_needs, intrinsic_gas

WHO = "0x1111111111111111111111111111111111111111"
BLOB_HASH = b"\x01" + bytes(31)
SIGNATURE = (1, 0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798, 5)
"""Of some account over any digest."""
AUTHORIZATION = Authorization(31337, bytes(20), 0, 0, 1, 1)


def blob(**changes: object) -> Transaction:
    values = {"blob_versioned_hashes": (BLOB_HASH,), "max_fee_per_blob_gas": 1}
    return transaction_of(type=TransactionType.BLOB, **(values | changes))


def with_other_signature(transaction: Transaction) -> Transaction:
    """The one with the high s, which recovers to the same sender (EIP-2 bars it)."""
    signed = transaction.with_signature(*SIGNATURE)
    other = signed.with_signature(1 - signed.y_parity, signed.r, SECP256K1_ORDER - signed.s)
    assert other.sender == signed.sender
    return other


def static(transaction: Transaction, fork: Fork = Fork.OSAKA, **rules: object) -> str:
    try:
        validation.validate_static(transaction, rules_of(fork, **rules))
    except TransactionError as error:
        return error.message
    return ""


@pytest.mark.parametrize(
    ("transaction", "fork", "message"),
    [
        (transaction_of(), Fork.OSAKA, ""),
        (transaction_of(), Fork.BERLIN, "transaction type not supported"),
        (transaction_of(type=TransactionType.ACCESS_LIST), Fork.ISTANBUL, "transaction type not supported"),
        (blob(), Fork.SHANGHAI, "transaction type not supported"),
        (transaction_of(type=TransactionType.SET_CODE), Fork.CANCUN, "transaction type not supported"),
        (
            transaction_of(type=TransactionType.LEGACY),
            Fork.FRONTIER,
            "invalid sender",
        ),
        (transaction_of(type=TransactionType.LEGACY, chain_id=None), Fork.FRONTIER, ""),
        (transaction_of(chain_id=1), Fork.OSAKA, "invalid chain id for signer: have 1 want 31337"),
        (
            transaction_of(type=TransactionType.LEGACY, chain_id=1),
            Fork.OSAKA,
            "invalid chain id for signer: have 1 want 31337",
        ),
        (replace(transaction_of(), r=0, s=0), Fork.OSAKA, "invalid sender"),
        (with_other_signature(transaction_of()), Fork.OSAKA, "invalid sender"),
        (with_other_signature(transaction_of(type=TransactionType.LEGACY)), Fork.SPURIOUS_DRAGON, "invalid sender"),
        (with_other_signature(transaction_of(type=TransactionType.LEGACY, chain_id=None)), Fork.FRONTIER, ""),
        (
            transaction_of(nonce=2**64 - 1),
            Fork.OSAKA,
            f"nonce has max value: address {WHO}, nonce: 18446744073709551615",
        ),
        (transaction_of(gas_limit=2**64), Fork.PRAGUE, "gas uint64 overflow"),
        (transaction_of(value=2**256), Fork.OSAKA, "value, fee cap and blob fee cap are limited to 256 bits"),
        (transaction_of(max_fee_per_gas=2**256), Fork.OSAKA, "value, fee cap and blob fee cap are limited to 256 bits"),
        (transaction_of(gas_limit=16_777_216), Fork.OSAKA, ""),
        (transaction_of(gas_limit=16_777_217), Fork.PRAGUE, ""),
        (
            transaction_of(gas_limit=16_777_217),
            Fork.OSAKA,
            "transaction gas limit too high (cap: 16777216, tx: 16777217)",
        ),
        (
            transaction_of(max_priority_fee_per_gas=3 * GWEI + 1),
            Fork.OSAKA,
            f"max priority fee per gas higher than max fee per gas: address {WHO}, "
            "maxPriorityFeePerGas: 3000000001, maxFeePerGas: 3000000000",
        ),
        (
            blob(to=None),
            Fork.OSAKA,
            "input string too short for common.Address, decoding into (types.BlobTx).To",
        ),
        (blob(blob_versioned_hashes=()), Fork.OSAKA, "blob transaction missing blob hashes"),
        (blob(blob_versioned_hashes=(BLOB_HASH,) * 6), Fork.OSAKA, ""),
        (
            blob(blob_versioned_hashes=(BLOB_HASH,) * 7),
            Fork.OSAKA,
            "blob transaction has too many blobs: have 7, permitted 6",
        ),
        (blob(blob_versioned_hashes=(BLOB_HASH,) * 9), Fork.PRAGUE, ""),
        (
            blob(blob_versioned_hashes=(BLOB_HASH,) * 10),
            Fork.PRAGUE,
            "blob transaction has too many blobs: have 10, permitted 9",
        ),
        (blob(blob_versioned_hashes=(BLOB_HASH, bytes(32))), Fork.OSAKA, "blob 1 has invalid hash version"),
        (
            transaction_of(type=TransactionType.SET_CODE, to=None, authorization_list=(AUTHORIZATION,)),
            Fork.OSAKA,
            "input string too short for common.Address, decoding into (types.SetCodeTx).To",
        ),
        (transaction_of(type=TransactionType.SET_CODE), Fork.OSAKA, "EIP-7702 transaction with empty auth list"),
        (transaction_of(gas_limit=20_999), Fork.OSAKA, "intrinsic gas too low: have 20999, want 21000"),
        (
            transaction_of(gas_limit=60_999, data=b"\x01" * 1000),
            Fork.OSAKA,
            "insufficient gas for floor data gas cost: have 60999, want 61000",
        ),
        (transaction_of(gas_limit=61_000, data=b"\x01" * 1000), Fork.OSAKA, ""),
        (transaction_of(gas_limit=37_000, data=b"\x01" * 1000), Fork.CANCUN, ""),
    ],
)
def test_static(transaction: Transaction, fork: Fork, message: str) -> None:
    assert static(transaction, fork) == message


def test_the_gas_cap_can_be_lifted() -> None:
    assert static(transaction_of(gas_limit=30_000_000), unlimited_transaction_gas=True) == ""


@pytest.mark.parametrize(
    ("transaction", "fork", "gas"),
    [
        (transaction_of(data=b"\0\0\x01"), Fork.OSAKA, 21_000 + 8 + 16),
        (transaction_of(data=b"\0\0\x01"), Fork.PETERSBURG, 21_000 + 8 + 68),
        (transaction_of(to=None, data=bytes(33)), Fork.SHANGHAI, 53_000 + 132 + 4),
        (transaction_of(to=None, data=bytes(33)), Fork.LONDON, 53_000 + 132),
        (transaction_of(to=None), Fork.FRONTIER, 21_000),
        (
            transaction_of(access_list=(AccessListEntry(bytes(20), (bytes(32),) * 2), AccessListEntry(bytes(20)))),
            Fork.OSAKA,
            21_000 + 2 * 2400 + 2 * 1900,
        ),
        (transaction_of(authorization_list=(AUTHORIZATION,) * 2), Fork.OSAKA, 21_000 + 50_000),
    ],
)
def test_intrinsic_gas(transaction: Transaction, fork: Fork, gas: int) -> None:
    assert intrinsic_gas(transaction, rules_of(fork)) == gas


@pytest.mark.parametrize(
    ("transaction", "gas", "blob_gas", "message"),
    [
        (transaction_of(), 1_000_000, 0, ""),
        (transaction_of(), 999_999, 0, "gas limit reached: have 999999, want 1000000"),
        (blob(), 1_000_000, 131_072, ""),
        (blob(), 1_000_000, 131_071, "blob gas limit reached: have 131071, want 131072"),
        (
            transaction_of(max_fee_per_gas=GWEI - 1),
            1_000_000,
            0,
            f"max fee per gas less than block base fee: address {WHO}, maxFeePerGas: 999999999, baseFee: 1000000000",
        ),
        (
            blob(max_fee_per_blob_gas=0),
            1_000_000,
            131_072,
            f"max fee per blob gas less than block blob gas fee: address {WHO} blobGasFeeCap: 0, blobBaseFee: 1",
        ),
        (
            transaction_of(to=None, data=bytes(49_153)),
            1_000_000,
            0,
            "max initcode size exceeded: code size 49153 limit 49152",
        ),
        (transaction_of(to=None, data=bytes(49_152)), 1_000_000, 0, ""),
    ],
)
def test_against_the_block(transaction: Transaction, gas: int, blob_gas: int, message: str) -> None:
    found = ""
    try:
        validation.validate_against_block(transaction, environment_of(), gas, blob_gas)
    except TransactionError as error:
        found = error.message
    assert found == message


def test_initcode_limit_follows_the_configured_code_size() -> None:
    transaction = transaction_of(to=None, data=bytes(100_000))
    validation.validate_against_block(transaction, environment_of(code_size_limit=50_000), 10**6, 0)
    with pytest.raises(TransactionError, match="limit 99998"):
        validation.validate_against_block(transaction, environment_of(code_size_limit=49_999), 10**6, 0)


def against(account: FakeAccount, transaction: Transaction, fork: Fork = Fork.OSAKA) -> str:
    try:
        state = state_of({transaction.sender: account})
        needs = gas_needs(transaction, rules_of(fork))
        validation.validate_in_block(transaction, environment_of(fork), state, 10**9, 10**9, needs)
    except TransactionError as error:
        return error.message
    return ""


def test_nonce_and_funds() -> None:
    rich = FakeAccount(nonce=5, balance=ETHER)
    assert against(rich, transaction_of(nonce=5)) == ""
    assert against(rich, transaction_of(nonce=4)) == f"nonce too low: address {WHO}, tx: 4 state: 5"
    assert against(rich, transaction_of(nonce=6)) == f"nonce too high: address {WHO}, tx: 6 state: 5"
    cost = 1_000_000 * 3 * GWEI + 131_072 * 10 + 7
    sent = blob(value=7, max_fee_per_blob_gas=10)
    assert against(FakeAccount(balance=cost), sent) == ""
    assert against(FakeAccount(balance=cost - 1), sent) == (
        f"insufficient funds for gas * price + value: address {WHO} have {cost - 1} want {cost}"
    )


def test_senders_with_code() -> None:
    signed = replace(transaction_of(), s=0)
    code = FakeAccount(balance=ETHER, code=b"\x00")
    delegated = FakeAccount(balance=ETHER, code=b"\xef\x01\x00" + bytes(20))
    impersonated = transaction_of()
    assert against(code, impersonated) == ""
    assert signed.is_impersonated
    with pytest.raises(TransactionError) as refusal:
        validation.check_sender_code(SENDER, rules_of(), state_of({SENDER: code}))
    assert refusal.value.message == f"sender not an eoa: address {WHO}, codehash: 0x{code.code_hash.hex()}"
    validation.check_sender_code(SENDER, rules_of(), state_of({SENDER: delegated}))
    with pytest.raises(TransactionError):
        validation.check_sender_code(SENDER, rules_of(Fork.CANCUN), state_of({SENDER: delegated}))


def test_blob_gas_of_a_block() -> None:
    blob = rules_of().blob
    assert blob is not None
    assert (blob.target_gas, blob.maximum_gas) == (6 * 131_072, 9 * 131_072)
    assert rules_of(Fork.SHANGHAI).blob is None


class TestE5OfSeveralReasonsGethsFirstIsTold:
    """geth's preCheck, buyGas and execute (core/state_transition.go), in that order."""

    POOR: ClassVar[dict[str, dict[str, Any]]] = {
        "nonce too high": {"nonce": 7},
        "transaction gas limit too high": {"gas_limit": 1 << 25},
        "max priority fee per gas higher than max fee per gas": {"max_priority_fee_per_gas": 1 << 40},
        "max fee per gas less than block base fee": {"max_fee_per_gas": 1, "max_priority_fee_per_gas": 1},
        "insufficient funds for gas * price + value": {"value": 1 << 200},
        "gas limit reached": {"gas_limit": 60_000_001},
        "intrinsic gas too low": {"gas_limit": 20_999},
        "max initcode size exceeded": {"to": None, "data": bytes(49_153)},
    }

    @pytest.mark.parametrize(("first", "second"), list(combinations(POOR, 2)))
    def test_e5(self, first: str, second: str) -> None:
        changes = {**self.POOR[second], **self.POOR[first]}
        if len(changes) < len(self.POOR[first]) + len(self.POOR[second]):
            pytest.skip("the two reasons are in one field")
        environment = environment_of(Fork.OSAKA if "gas limit too high" in first + second else Fork.PRAGUE)
        transaction = transaction_of(**changes)
        needs = gas_needs(transaction, environment.rules)
        with pytest.raises(TransactionError) as caught:
            validation.validate_in_block(transaction, environment, state_of({}), 60_000_000, 0, needs)
        assert caught.value.message.startswith(first)


@pytest.mark.parametrize("kind", list(TransactionType))
@pytest.mark.parametrize(("y_parity", "r", "s"), [(0, 0, 0), (1, 0, 1), (0, SECP256K1_ORDER, 1), (2, 1, 1), (0, 5, 1)])
def test_in_a_block_a_signature_of_no_key_is_a_refusal(kind: TransactionType, y_parity: int, r: int, s: int) -> None:
    transaction = Transaction(type=kind, chain_id=31337, gas_limit=100_000, to=bytes(20), y_parity=y_parity, r=r, s=s)
    with pytest.raises(InvalidSignatureError):
        _ = transaction.sender
    needs = gas_needs(transaction, rules_of())
    with pytest.raises(TransactionError) as refused:
        validation.validate_in_block(transaction, environment_of(), state_of({}), 30_000_000, 0, needs)
    assert (refused.value.reason, refused.value.message) == (Reason.INVALID_SENDER, "invalid sender")


def in_block(transaction: Transaction, account: FakeAccount, gas: tuple[int, int | None], *, is_checked: bool) -> str:
    """What a block says of a transaction, "" for nothing."""
    environment, state = environment_of(code_size_limit=100), state_of({transaction.sender: account})
    try:
        if is_checked:
            validation.validate_checked_in_block(transaction, environment, state, *gas)
        else:
            needs = gas_needs(transaction, environment.rules)
            validation.validate_in_block(transaction, environment, state, *gas, needs)
    except TransactionError as error:
        return f"{error.reason} {error.message}"
    return ""


def test_a_block_says_the_same_of_what_was_checked_before() -> None:
    transactions = (
        transaction_of(),
        transaction_of(nonce=1),
        transaction_of(max_fee_per_gas=GWEI - 1, max_priority_fee_per_gas=0),
        transaction_of(value=ETHER),
        transaction_of(to=None, data=bytes(201), gas_limit=100_000),
        transaction_of(nonce=2, value=ETHER, gas_limit=300_000),
        blob(),
        blob(max_fee_per_blob_gas=0),
        transaction_of().with_signature(*SIGNATURE),
        transaction_of(nonce=1).with_signature(*SIGNATURE),
    )
    codes = (b"", b"\x01", b"\xef\x01\x00" + bytes(20))
    accounts = [
        FakeAccount(nonce=nonce, balance=wei, code=code) for nonce in (0, 1) for wei in (0, ETHER) for code in codes
    ]
    said = set()
    for transaction in transactions:
        assert static(transaction) == ""
        for account in accounts:
            for gas in ((30_000_000, 1_000_000), (200_000, None), (20_000, 0)):
                found, wanted = [in_block(transaction, account, gas, is_checked=known) for known in (True, False)]
                assert found == wanted
                said.add(wanted.partition(" ")[0])
    assert len(said) >= 9, said
