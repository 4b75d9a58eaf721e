"""keccak256PreimageTracer and erc7562Tracer."""

import pytest

from tests.chain.tracing.tracing import OTHER, hexadecimal, trace, word
from tests.chain.vm.support import FakeAccount, assemble
from zevm.chain.tracing.errors import TraceError
from zevm.storage.keccak import keccak256


def test_preimages() -> None:
    code = assemble("7 0 MSTORE 32 0 KECCAK256 64 0 KECCAK256 0 0 KECCAK256")
    wanted = [bytes(31) + b"\x07", bytes(31) + b"\x07" + bytes(32), b""]
    assert trace("keccak256PreimageTracer", code) == {
        hexadecimal(keccak256(preimage)): hexadecimal(preimage) for preimage in wanted
    }


def test_preimages_that_cannot_be_read() -> None:
    assert trace("keccak256PreimageTracer", assemble("1 KECCAK256")) == {}
    assert trace("keccak256PreimageTracer", assemble("32 0xffffffffff KECCAK256")) == {}


def test_what_account_abstraction_asks() -> None:
    code = assemble(
        f"1 SLOAD 9 2 SSTORE 2 SLOAD 3 TLOAD 1 3 TSTORE 1 0 MSTORE 32 0 KECCAK256 0x{OTHER.hex()} EXTCODESIZE ISZERO "
        f"0x{OTHER.hex()} EXTCODEHASH POP GAS POP 0 0 0 0 0 0x{OTHER.hex()} GAS CALL"
    )
    accounts = {OTHER: FakeAccount(code=assemble("0 0 RETURN"))}
    found = trace("erc7562Tracer", code, accounts=accounts)
    assert found["accessedSlots"] == {
        "reads": {word(1): [word(0)]},
        "writes": {word(2): 1},
        "transientReads": {word(3): 1},
        "transientWrites": {word(3): 1},
    }
    assert found["extCodeAccessInfo"] == [hexadecimal(OTHER)]
    assert found["contractSize"] == {hexadecimal(OTHER): {"contractSize": 5, "opcode": 0x3B}}
    assert found["keccak"] == [word(1)]
    # of the two GAS the one before CALL does not count
    assert found["usedOpcodes"]["0x5a"] == 1
    assert found["usedOpcodes"]["0x54"] == 2
    assert not {"0x50", "0x60", "0x15"} & set(found["usedOpcodes"])
    call = found["calls"][0]
    assert (call["to"], call["usedOpcodes"], call["outOfGas"]) == (hexadecimal(OTHER), {"0xf3": 1}, False)
    assert "keccak" not in call


def test_out_of_gas_and_other_options() -> None:
    accounts = {OTHER: FakeAccount(code=assemble("1 SLOAD"))}
    code = assemble(f"0 0 LOG0 0 0 0 0 0 0x{OTHER.hex()} 50 CALL")
    found = trace("erc7562Tracer", code, {"ignoredOpcodes": ["0xa0"], "withLog": True}, accounts=accounts)
    assert found["calls"][0]["outOfGas"] is True
    assert len(found["logs"]) == 1
    assert "0xa0" not in found["usedOpcodes"]
    assert found["usedOpcodes"]["0x60"] == 8
    for wrong in ("0x54", [None], ["zz"]):
        with pytest.raises(TraceError, match=r"erc7562TracerConfig\.ignoredOpcodes"):
            trace("erc7562Tracer", code, {"ignoredOpcodes": wrong})
