"""console.log: signatures, formats, and the call itself."""

import pytest
from eth_abi.abi import encode

from tests.chain.vm.support import SENDER, assemble, returning, run_code
from zevm.chain.vm.console import decode_console
from zevm.chain.vm.precompiles import CONSOLE_ADDRESS
from zevm.storage.keccak import keccak256

ADDRESS = "0x" + SENDER.hex()


def console_call(signature: str, *values: object) -> bytes:
    types = signature[signature.index("(") + 1 : -1].replace("uint,", "uint256,").split(",")
    return keccak256(signature.encode())[:4] + encode([kind for kind in types if kind], values)


@pytest.mark.parametrize(
    ("signature", "values", "line"),
    [
        ("log()", (), ""),
        ("log(string)", ("hello",), "hello"),
        ("log(uint256)", (2**256 - 1,), str(2**256 - 1)),
        ("log(int256)", (-5,), "-5"),
        ("logInt(int256)", (-5,), "-5"),
        ("log(bool)", (True,), "true"),
        ("log(address)", (ADDRESS,), "0x1111111111111111111111111111111111111111"),
        ("log(string,uint256)", ("balance: %s wei", 7), "balance: 7 wei"),
        ("log(string,uint256)", ("balance", 7), "balance 7"),
        ("log(string,uint256,bool)", ("100%% of %d", 7, False), "100% of 7 false"),
        ("log(string,string)", ("%s", "%d"), "%d"),
        ("log(bool,uint256,address,string)", (False, 1, ADDRESS, "x"), f"false 1 {ADDRESS} x"),
        ("logBytes(bytes)", (b"\x01\x02",), "0x0102"),
        ("logBytes4(bytes4)", (b"\x01\x02\x03\x04",), "0x01020304"),
        ("logString(string)", ("50% off",), "50% off"),
    ],
)
def test_lines(signature: str, values: tuple[object, ...], line: str) -> None:
    assert decode_console(console_call(signature, *values)) == line


def test_the_selectors_of_old_libraries() -> None:
    """console.log(uint) was hashed with the alias before hardhat 2.12: f5b1bba9, known from console.sol."""
    assert decode_console(bytes.fromhex("f5b1bba9") + (9).to_bytes(32, "big")) == "9"
    assert decode_console(bytes.fromhex("f82c50f1") + (9).to_bytes(32, "big")) == "9"


def test_what_is_no_console_call_is_shown_as_hex() -> None:
    assert decode_console(b"\x01\x02") == "unknown console call 0x0102"
    assert decode_console(keccak256(b"log(string)")[:4]) == "malformed console call 0x41304fac"


def test_a_call_is_recorded_and_succeeds_with_no_output() -> None:
    selector = keccak256(b"log(uint256)")[:4].hex()
    line = f"0x{selector} 224 SHL 0 MSTORE 42 4 MSTORE"
    source = f"{line} 0 0 36 0 0x{CONSOLE_ADDRESS.hex()} GAS STATICCALL RETURNDATASIZE ADD"
    outcome = run_code(returning(source))
    assert int.from_bytes(outcome.output, "big") == 1
    assert outcome.console == ["42"]


def test_lines_of_a_transaction_that_reverts_are_kept() -> None:
    source = f"0 0 4 0 0x{CONSOLE_ADDRESS.hex()} GAS STATICCALL 0 0 REVERT"
    assert run_code(assemble(source)).console == ["unknown console call 0x00000000"]


def test_the_console_costs_what_an_account_without_code_costs() -> None:
    costs = [
        run_code(returning(f"GAS 0 0 0 0 0x{target} GAS STATICCALL POP GAS SWAP1 SUB")).output
        for target in (CONSOLE_ADDRESS.hex(), "44" * 20)
    ]
    assert costs[0] == costs[1]
