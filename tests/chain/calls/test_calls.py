"""eth_call and gas estimation: overrides, history, deadlines, geth's texts."""

import time

import pytest

from testing.speed import PATIENCE_SECONDS
from tests.chain.chain_fixtures import ALICE, BOB, CAROL, ETHER, GWEI, STORE_AND_LOG, creation, open_chain, transfer
from zevm.chain.blockchain import Chain
from zevm.chain.calls.call import GasEstimation, call
from zevm.chain.calls.overrides import BlockOverrides, CallOverrides, StateOverride
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.errors import ExecutionFailedError, ExecutionRevertedError, TransactionError, UnknownBlockError
from zevm.chain.types.block_reference import EARLIEST, LATEST, BlockReference
from zevm.chain.vm.calls import contract_address
from zevm.chain.vm.interface import CallRequest

CONTRACT = bytes(19) + b"\xcc"
RETURN_TIMESTAMP = bytes.fromhex("4260005260206000f3")
RETURN_NUMBER = bytes.fromhex("4360005260206000f3")
RETURN_SLOT_ZERO = bytes.fromhex("60005460005260206000f3")
REVERT_WITH_EMPTY = bytes.fromhex("60006000fd")
INVALID = bytes.fromhex("fe")
ENDLESS = bytes.fromhex("5b600056")
# calls the identity precompile with all but 1/64 of the gas and fails where the inner gas is below 100,000
NEEDS_GAS_INSIDE = bytes.fromhex("620186a05a10600a57005b60006000fd")


DEPLOYED = contract_address(ALICE, 0)


@pytest.fixture(scope="module")
def chain():
    opened = open_chain()
    for transaction in (creation(0, STORE_AND_LOG), transfer(1)):
        opened.writer.run(opened.send_transaction, transaction)
    yield opened
    opened.close()


def with_code(code: bytes, **changes) -> dict[bytes, StateOverride]:
    return {CONTRACT: StateOverride(code=code, **changes)}


def word(outcome) -> int:
    return int.from_bytes(outcome.output, "big")


def test_a_call_sees_overridden_code_storage_and_block(chain: Chain) -> None:
    request = CallRequest(to=CONTRACT)
    overrides = with_code(RETURN_SLOT_ZERO, state={0: 77})
    assert word(call(chain.frame_at(LATEST), request, overrides=CallOverrides(overrides))) == 77
    overrides = with_code(RETURN_SLOT_ZERO, state_diff={0: 78})
    assert word(call(chain.frame_at(LATEST), request, overrides=CallOverrides(overrides))) == 78
    block = BlockOverrides(timestamp=12345, number=99)
    assert (
        word(call(chain.frame_at(LATEST), request, overrides=CallOverrides(with_code(RETURN_TIMESTAMP), block)))
        == 12345
    )
    assert word(call(chain.frame_at(LATEST), request, overrides=CallOverrides(with_code(RETURN_NUMBER), block))) == 99


def test_a_call_at_a_past_block_sees_that_state_and_number(chain: Chain) -> None:
    request = CallRequest(to=CONTRACT)
    for number in (0, 1, 2):
        reference = BlockReference(number=number)
        assert (
            word(call(chain.frame_at(reference), request, overrides=CallOverrides(with_code(RETURN_NUMBER)))) == number
        )
    assert chain.state_at(EARLIEST).account(DEPLOYED) is None
    assert call(chain.frame_at(EARLIEST), CallRequest(to=DEPLOYED)).output == b""


def test_unknown_blocks_have_geths_text(chain: Chain) -> None:
    with pytest.raises(UnknownBlockError, match=r"^header not found$"):
        call(chain.frame_at(BlockReference(number=99)), CallRequest(to=BOB))
    with pytest.raises(UnknownBlockError, match="header for hash not found"):
        chain.state_at(BlockReference(hash=bytes(32)))


def test_failures_of_a_call(chain: Chain) -> None:
    outcome = call(chain.frame_at(LATEST), CallRequest(to=CONTRACT), overrides=CallOverrides(with_code(INVALID)))
    assert outcome.error.message == "invalid opcode: INVALID"
    outcome = call(
        chain.frame_at(LATEST), CallRequest(to=CONTRACT), overrides=CallOverrides(with_code(REVERT_WITH_EMPTY))
    )
    assert (outcome.error.message, outcome.output) == ("execution reverted", b"")
    with pytest.raises(TransactionError, match="insufficient funds"):
        call(chain.frame_at(LATEST), CallRequest(sender=CAROL, to=BOB, value=1, max_fee_per_gas=GWEI * 10))


def test_an_endless_loop_ends_at_the_deadline(chain: Chain) -> None:
    began = time.monotonic()
    with pytest.raises(ExecutionTimeoutError):
        call(
            chain.frame_at(LATEST),
            CallRequest(to=CONTRACT, gas_limit=10**15),
            overrides=CallOverrides(with_code(ENDLESS)),
            deadline=Deadline.after(0.2),
        )
    assert time.monotonic() - began < PATIENCE_SECONDS


def test_estimates(chain: Chain) -> None:
    def estimate(request, **options) -> int:
        return GasEstimation(chain.frame_at(LATEST), request, gas_cap=50_000_000, **options).run()

    assert estimate(CallRequest(sender=ALICE, to=BOB, value=1)) == 21_000
    used = estimate(CallRequest(sender=ALICE, to=DEPLOYED, data=bytes(31) + b"\x05"))
    exact = call(chain.frame_at(LATEST), CallRequest(sender=ALICE, to=DEPLOYED, data=bytes(31) + b"\x05"))
    assert used == exact.gas_used_before_refund
    inside = estimate(CallRequest(sender=ALICE, to=CONTRACT), overrides=CallOverrides(with_code(NEEDS_GAS_INSIDE)))
    assert 121_000 < inside < 123_500
    with pytest.raises(ExecutionRevertedError):
        estimate(CallRequest(to=CONTRACT), overrides=CallOverrides(with_code(REVERT_WITH_EMPTY)))
    with pytest.raises(ExecutionFailedError, match="invalid opcode"):
        estimate(CallRequest(to=CONTRACT), overrides=CallOverrides(with_code(INVALID)))
    with pytest.raises(ExecutionFailedError, match=r"gas required exceeds allowance \(22000\)"):
        estimate(CallRequest(to=DEPLOYED, gas_limit=22_000, data=bytes(32)))
    with pytest.raises(TransactionError, match="insufficient funds for transfer"):
        estimate(CallRequest(sender=CAROL, to=BOB, value=ETHER, max_fee_per_gas=GWEI))
    with pytest.raises(ExecutionFailedError, match="gas required exceeds allowance"):
        estimate(CallRequest(sender=CAROL, to=DEPLOYED, max_fee_per_gas=GWEI))
