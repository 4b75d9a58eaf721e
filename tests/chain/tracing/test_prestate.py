"""prestateTracer: what counts as touched, and both its modes."""

from typing import Any

import pytest

from tests.chain.tracing.tracing import OTHER, THIRD, hexadecimal, trace, word
from tests.chain.vm.support import COINBASE, CONTRACT, ETHER, GWEI, SENDER, FakeAccount, assemble, deploying
from zevm.chain.rules.forks import Fork
from zevm.chain.tracing.errors import TraceError
from zevm.chain.types import Authorization, TransactionType
from zevm.chain.vm.calls import contract_address
from zevm.storage.keccak import keccak256

HEX_SENDER, HEX_CONTRACT, HEX_OTHER, HEX_THIRD = map(hexadecimal, (SENDER, CONTRACT, OTHER, THIRD))
HEX_COINBASE = hexadecimal(COINBASE)


def prestate(code: str, options: dict[str, Any] | None = None, **more: Any) -> Any:
    return trace("prestateTracer", assemble(code), options, **more)


def test_the_transactions_own_accounts() -> None:
    found = prestate("1 POP", accounts={COINBASE: FakeAccount(balance=1)})
    assert found == {
        HEX_SENDER: {"balance": hex(1000 * ETHER)},
        HEX_CONTRACT: {
            "balance": "0xa",
            "nonce": 1,
            "code": "0x600150",
            "codeHash": hexadecimal(keccak256(bytes.fromhex("600150"))),
        },
        HEX_COINBASE: {"balance": "0x1"},
    }


def test_empty_accounts_only_where_asked_for() -> None:
    assert HEX_COINBASE not in prestate("1 POP")
    assert prestate("1 POP", {"includeEmpty": True})[HEX_COINBASE] == {"balance": "0x0"}
    with pytest.raises(TraceError, match="cannot use diffMode with includeEmpty"):
        prestate("1", {"includeEmpty": True, "diffMode": True})


def test_slots_as_they_were() -> None:
    accounts = {CONTRACT: FakeAccount(code=assemble("9 5 SSTORE 5 SLOAD 6 SLOAD 1 2 SSTORE"), storage={5: 4, 7: 1})}
    found = trace("prestateTracer", accounts=accounts)
    assert found[HEX_CONTRACT]["storage"] == {word(2): word(0), word(5): word(4), word(6): word(0)}
    found = trace("prestateTracer", options={"disableStorage": True, "disableCode": True}, accounts=accounts)
    assert not {"storage", "code"} & set(found[HEX_CONTRACT])


@pytest.mark.parametrize(
    "code",
    [
        "BALANCE",
        "EXTCODESIZE",
        "EXTCODEHASH",
        "0 0 0 {} EXTCODECOPY",
        "0 0 0 0 1 {} 9000 CALL",
        "0 0 0 0 {} 9000 STATICCALL",
        "0 0 0 0 {} 9000 DELEGATECALL",
        "0 0 0 0 0 {} 9000 CALLCODE",
        "{} SELFDESTRUCT",
    ],
)
def test_what_touches_an_account(code: str) -> None:
    source = (code if "{}" in code else "{} " + code).format(f"0x{OTHER.hex()}")
    found = prestate(source, accounts={OTHER: FakeAccount(balance=3)})
    assert found[HEX_OTHER] == {"balance": "0x3"}


def test_what_cannot_be_paid_touches_nothing() -> None:
    accounts = {
        CONTRACT: FakeAccount(code=assemble(f"1 SLOAD 2 SLOAD 0x{OTHER.hex()} BALANCE")),
        OTHER: FakeAccount(nonce=1),
    }
    for gas_limit, slots, touched in ((23_000, 0, False), (24_000, 1, False), (26_000, 2, False), (28_000, 2, True)):
        found = trace("prestateTracer", accounts=accounts, gas_limit=gas_limit)
        assert len(found[HEX_CONTRACT].get("storage", {})) == slots
        assert (HEX_OTHER in found) is touched


def test_differences() -> None:
    accounts = {
        CONTRACT: FakeAccount(
            balance=10,
            code=assemble(
                f"9 5 SSTORE 0 6 SSTORE 7 7 SSTORE 8 SLOAD 0x{THIRD.hex()} BALANCE 0 0 0 0 3 0x{OTHER.hex()} 0 CALL"
            ),
            storage={5: 4, 6: 1, 8: 8},
        ),
        OTHER: FakeAccount(balance=1),
        THIRD: FakeAccount(balance=1),
    }
    found = trace("prestateTracer", options={"diffMode": True, "disableCode": True}, accounts=accounts)
    assert set(found["pre"]) == {HEX_SENDER, HEX_CONTRACT, HEX_OTHER}
    assert set(found["post"]) == {HEX_SENDER, HEX_CONTRACT, HEX_OTHER, HEX_COINBASE}
    assert found["pre"][HEX_CONTRACT]["storage"] == {word(5): word(4), word(6): word(1)}
    assert found["post"][HEX_CONTRACT] == {"balance": "0x7", "storage": {word(5): word(9), word(7): word(7)}}
    assert (found["pre"][HEX_OTHER], found["post"][HEX_OTHER]) == ({"balance": "0x1"}, {"balance": "0x4"})
    assert found["post"][HEX_SENDER]["nonce"] == 1


def test_a_cleared_slot_leaves_an_empty_change() -> None:
    accounts = {CONTRACT: FakeAccount(code=assemble("0 6 SSTORE"), storage={6: 1})}
    found = trace("prestateTracer", options={"diffMode": True}, accounts=accounts)
    assert found["pre"][HEX_CONTRACT]["storage"] == {word(6): word(1)}
    assert found["post"][HEX_CONTRACT] == {}


def test_a_new_contract_is_in_post_alone() -> None:
    found = trace("prestateTracer", options={"diffMode": True}, to=None, data=deploying(assemble("STOP")))
    created = hexadecimal(contract_address(SENDER, 0))
    assert created not in found["pre"]
    assert found["post"][created] == {"nonce": 1, "code": "0x00", "codeHash": hexadecimal(keccak256(b"\0"))}
    inner = f"0x{deploying(b'').hex().ljust(64, '0')} 0 MSTORE 12 0 0 CREATE"
    found = prestate(inner, {"diffMode": True})
    assert found["post"][hexadecimal(contract_address(CONTRACT, 1))] == {"nonce": 1}


def test_a_destroyed_contract_is_in_pre_alone() -> None:
    code = f"0x{OTHER.hex()} SELFDESTRUCT"
    found = prestate(code, {"diffMode": True}, fork=Fork.SHANGHAI)
    assert HEX_CONTRACT in found["pre"]
    assert HEX_CONTRACT not in found["post"]
    assert found["post"][HEX_OTHER] == {"balance": "0xa"}
    # from Cancun on it goes only in the transaction that created it
    found = prestate(code, {"diffMode": True})
    assert found["post"][HEX_CONTRACT] == {"balance": "0x0"}


def test_delegations() -> None:
    accounts = {OTHER: FakeAccount(code=b"\xef\x01\x00" + THIRD), THIRD: FakeAccount(code=assemble("STOP"))}
    found = trace("prestateTracer", to=OTHER, accounts=accounts)
    assert found[HEX_THIRD]["code"] == "0x00"
    found = prestate(f"0 0 0 0 0 0x{OTHER.hex()} 9000 CALL", accounts=accounts)
    assert found[HEX_THIRD]["code"] == "0x00"


def test_a_delegation_that_the_transaction_itself_makes_is_not_followed() -> None:
    signed = Authorization(31337, THIRD, 0, 0, 1, 1)
    assert signed.authority is not None
    found = trace(
        "prestateTracer",
        to=signed.authority,
        type=TransactionType.SET_CODE,
        authorization_list=(signed,),
        accounts={THIRD: FakeAccount(code=assemble("STOP"))},
    )
    assert HEX_THIRD not in found


def test_authorities_before_they_delegate() -> None:
    signed = Authorization(31337, THIRD, 0, 0, 1, 1)
    authority = signed.authority
    assert authority is not None
    found = trace(
        "prestateTracer",
        options={"diffMode": True},
        type=TransactionType.SET_CODE,
        authorization_list=(signed,),
        accounts={authority: FakeAccount(balance=GWEI)},
    )
    assert found["pre"][hexadecimal(authority)] == {"balance": hex(GWEI)}
    assert found["post"][hexadecimal(authority)]["code"] == hexadecimal(b"\xef\x01\x00" + THIRD)
