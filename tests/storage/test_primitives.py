"""Addresses, hashes, wei and gas are types: the type checker refuses a pair that was swapped."""

from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).resolve().parents[2]
HEAD = """
from zevm.chain.types import Log, Withdrawal
from zevm.chain.types.block_reference import BlockReference
from zevm.chain.vm.frame import Frame
from zevm.chain.vm.host_interface import call, create
from zevm.storage.account import Account, AccountChange, StateReader
from zevm.storage.primitives import Address, Gas, Hash32, Wei

def use(state: StateReader, frame: Frame, address: Address, digest: Hash32, gas: Gas, wei: Wei) -> None:
"""
RIGHT = """
    state.account(address)
    state.storage(address, 1)
    Log(address, (digest,), b"")
    Withdrawal(1, 2, address, 3)
    BlockReference(hash=digest)
    AccountChange(1, wei, digest)
    call(frame, 0xF1, gas, address, wei, b"")
"""
WRONG = (
    "state.account(digest)",
    "state.storage(digest, 1)",
    "Log(digest, (address,), b'')",
    "Withdrawal(1, 2, digest, 3)",
    "BlockReference(hash=address)",
    "state.account(b'')",
    "Account(wei, 1)",
    "AccountChange(1, gas, digest)",
    "AccountChange(1, wei, address)",
    "call(frame, 0xF1, wei, address, gas, b'')",
    "create(frame, 0xF0, gas, b'', None)",
)


def checked(body: str, folder: Path) -> list[str]:
    """What mypy says, in the project's strictness, of a function with these parameters."""
    file = folder / "swapped.py"
    file.write_text(HEAD + body)
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--no-error-summary"]
    text, fault, _ = api.run([*options, str(file)])
    assert not fault, fault
    return [line for line in text.splitlines() if ": error: " in line]


@pytest.mark.lengthy
@pytest.mark.timeout(300)
def test_swapped_pairs_do_not_type_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    right = RIGHT.count("\n") - 1
    body = RIGHT + "".join(f"    {line}\n" for line in WRONG)
    errors = checked(body, tmp_path)
    first = HEAD.count("\n") + right + 2
    lines = [int(error.split(":")[1]) for error in errors]
    assert sorted(set(lines)) == list(range(first, first + len(WRONG))), "\n".join(errors)
    assert all("[arg-type]" in error for error in errors), "\n".join(errors)
