"""A message on which the engines do not agree, in a file that replays it without its chain.

    python -m zevm.chain.vm.engines.replay FILE    runs it on both, and tells what differs

The file has the state that the message meets, as far as either engine reads it. It has no signers that a development
request gave to ecrecover, and no precompiles of the WebAssembly machine, which the core does not call.
"""

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zevm.chain.rules.forks import Fork, ForkRules
from zevm.chain.vm.engines.case import Case, RecordingHashes, RecordingReader
from zevm.chain.vm.engines.native import ASKED_PRECOMPILE
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.fork_table import PRECOMPILES, precompile_address
from zevm.chain.vm.frame import Precompile
from zevm.chain.vm.message import Message
from zevm.chain.vm.overlay_reader import UNSETTLED_ROOT
from zevm.chain.vm.precompiles import CONSOLE_ADDRESS, record_console
from zevm.storage.account import EMPTY_ROOT, Account
from zevm.storage.primitives import Address, Hash32, Wei

_FORMAT = 1
_P256 = precompile_address(0x100)


def write(case: Case, differences: Sequence[str]) -> Path:
    """Write a case of live objects, which runs for it once more, and give the file's path."""
    again = case.differences()
    content = {
        "format": _FORMAT,
        "differences": [*differences],
        "when run again": again,
        "block": _written_block(case.environment),
        "transaction": {
            "origin": _hex(case.origin),
            "gasPrice": hex(case.gas_price),
            "blobHashes": [_hex(found) for found in case.blob_hashes],
            "memoryWords": hex(case.memory_words),
        },
        "precompiles": _hex(case.entries),
        "message": _written_message(case.message),
        "warmAddresses": [_hex(address) for address in case.warm_addresses],
        "warmSlots": [[_hex(address), hex(slot)] for address, slot in case.warm_slots],
        **_written_state(case),
    }
    descriptor, name = tempfile.mkstemp(prefix="zevm-engines-", suffix=".json")
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=1)
    return Path(name)


def read(file: Path) -> Case:
    """The case of a file. Raises ValueError for one of another format."""
    content = json.loads(file.read_text())
    if content.get("format") != _FORMAT:
        raise ValueError(f"{file} is no case of format {_FORMAT}")
    transaction, fork = content["transaction"], Fork(content["block"]["fork"])
    entries = _bytes(content["precompiles"])
    return Case(
        environment=_read_environment(content["block"], content["blockHashes"]),
        message=_read_message(content["message"]),
        origin=Address(_bytes(transaction["origin"])),
        gas_price=_int(transaction["gasPrice"]),
        blob_hashes=tuple(map(_bytes, transaction["blobHashes"])),
        memory_words=_int(transaction["memoryWords"]),
        precompiles=_read_precompiles(entries, fork),
        entries=entries,
        warm_addresses=[Address(_bytes(address)) for address in content["warmAddresses"]],
        warm_slots=[(Address(_bytes(address)), _int(slot)) for address, slot in content["warmSlots"]],
        reader=CaseReader(content["accounts"], content["codes"]),
    )


class CaseReader:
    """A StateReader of what a file says."""

    root = EMPTY_ROOT

    def __init__(self, accounts: dict[str, Any], codes: dict[str, str]) -> None:
        self._accounts = {Address(_bytes(address)): entry for address, entry in accounts.items() if entry is not None}
        self._codes = {_bytes(code_hash): _bytes(code) for code_hash, code in codes.items()}

    def account(self, address: Address) -> Account | None:
        """The account; its storage root says no more than whether it has slots."""
        entry = self._accounts.get(address)
        if entry is None:
            return None
        root = UNSETTLED_ROOT if entry["hasStorage"] else EMPTY_ROOT
        return Account(_int(entry["nonce"]), Wei(_int(entry["balance"])), root, Hash32(_bytes(entry["codeHash"])))

    def storage(self, address: Address, slot: int) -> int:
        """The slot's value; 0 where the file has none."""
        return _int(self._accounts[address]["storage"].get(hex(slot), "0x0"))

    def code(self, code_hash: bytes) -> bytes:
        """The code; b"" where no engine has read it."""
        return self._codes.get(code_hash, b"")


def _written_block(environment: BlockEnvironment) -> dict[str, Any]:
    limit = environment.code_size_limit
    return {
        "fork": int(environment.rules.fork),
        "chainId": hex(environment.rules.chain_id),
        "coinbase": _hex(environment.coinbase),
        "number": hex(environment.number),
        "timestamp": hex(environment.timestamp),
        "gasLimit": hex(environment.gas_limit),
        "baseFee": hex(environment.base_fee_per_gas or 0),
        "prevRandao": _hex(environment.prev_randao),
        "difficulty": hex(environment.difficulty),
        "blobBaseFee": hex(environment.blob_base_fee or 0),
        "codeSizeLimit": None if limit is None else hex(limit),
    }


def _read_environment(block: dict[str, Any], hashes: dict[str, str]) -> BlockEnvironment:
    limit = block["codeSizeLimit"]
    return BlockEnvironment(
        rules=ForkRules(Fork(block["fork"]), _int(block["chainId"])),
        coinbase=Address(_bytes(block["coinbase"])),
        number=_int(block["number"]),
        timestamp=_int(block["timestamp"]),
        gas_limit=_int(block["gasLimit"]),
        block_hash=lambda number: Hash32(_bytes(hashes.get(hex(number), "0x"))),
        base_fee_per_gas=_int(block["baseFee"]),
        prev_randao=_bytes(block["prevRandao"]),
        difficulty=_int(block["difficulty"]),
        blob_base_fee=_int(block["blobBaseFee"]),
        code_size_limit=None if limit is None else _int(limit),
    )


def _written_message(message: Message) -> dict[str, Any]:
    return {
        "kind": message.kind,
        "gas": hex(message.gas),
        "to": _hex(message.to),
        "sender": _hex(message.sender),
        "value": hex(message.value),
        "data": _hex(bytes(message.data)),
        "code": _hex(message.code),
        "createAddress": _hex(message.storage_address) if message.is_create else None,
        "codeAddress": _hex(message.code_address),
        "target": _hex(message.target),
        "isStatic": message.is_static,
        "isDelegation": message.is_delegation,
    }


def _read_message(given: dict[str, Any]) -> Message:
    creates = given["createAddress"]
    return Message(
        _int(given["gas"]),
        Address(_bytes(given["to"])),
        Address(_bytes(given["sender"])),
        _int(given["value"]),
        _bytes(given["data"]),
        _bytes(given["code"]),
        create_address=None if creates is None else Address(_bytes(creates)),
        code_address=Address(_bytes(given["codeAddress"])),
        target=Address(_bytes(given["target"])),
        is_static=given["isStatic"],
        is_delegation=given["isDelegation"],
        kind=given["kind"],
    )


def _written_state(case: Case) -> dict[str, Any]:
    """Accounts, codes and hashes of blocks, as far as they were read."""
    reader, hashes = case.reader, case.environment.block_hash
    assert isinstance(reader, RecordingReader)
    assert isinstance(hashes, RecordingHashes)
    accounts: dict[str, Any] = {}
    for address, found in reader.accounts.items():
        accounts[_hex(address)] = None if found is None else {
            "nonce": hex(found.nonce),
            "balance": hex(found.balance),
            "codeHash": _hex(found.code_hash),
            "hasStorage": found.storage_root != EMPTY_ROOT,
            "storage": {},
        }  # fmt: skip
    for (address, slot), value in reader.slots.items():
        accounts[_hex(address)]["storage"][hex(slot)] = hex(value)
    return {
        "accounts": accounts,
        "codes": {_hex(code_hash): _hex(code) for code_hash, code in reader.codes.items()},
        "blockHashes": {hex(number): _hex(found) for number, found in hashes.hashes.items()},
    }


def _read_precompiles(entries: bytes, fork: Fork) -> dict[Address, Precompile]:
    """By the addresses where they answer: the fork's own by their numbers, and those without one by what they are."""
    own = PRECOMPILES[fork]
    unnumbered: dict[Address, Precompile] = {CONSOLE_ADDRESS: record_console}
    if _P256 in own:
        unnumbered[_P256] = own[_P256]
    found: dict[Address, Precompile] = {}
    for place in range(0, len(entries), 21):
        address, number = Address(entries[place : place + 20]), entries[place + 20]
        body = unnumbered.get(address) if number == ASKED_PRECOMPILE else own.get(precompile_address(number))
        if body is not None:
            found[address] = body
    return found


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _int(text: str) -> int:
    return int(text, 16)


def main(arguments: Sequence[str]) -> int:
    """Replay a file: 0 where the engines agree on it now, 1 with what differs, 2 for wrong arguments."""
    if len(arguments) != 1:
        print("usage: python -m zevm.chain.vm.engines.replay FILE", file=sys.stderr)
        return 2
    differences = read(Path(arguments[0])).differences()
    print("\n".join(differences) or "the engines agree")
    return 1 if differences else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
