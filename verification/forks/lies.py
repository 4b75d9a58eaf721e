"""Answers of a fork's origin with one digit altered: none may be taken for the truth.

python -m verification.forks.lies --answers 10000 --seed 1
"""

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import zevm
from zevm.chain.rules.networks import schedule_of
from zevm.node.origin.blocks import header_of
from zevm.node.origin.client import OriginClient, Persistence
from zevm.node.origin.endpoint import Endpoint
from zevm.node.origin.source import RemoteOrigin
from zevm.node.origin.transport import Place
from zevm.storage import schema
from zevm.storage.errors import OriginError

RUNTIME = bytes.fromhex("3660401460135760003554600052602060" + "00f35b602035600035556000356000" + "6000a100")
"""64 bytes of input: store the second word under the first and log the first; else: the word under the first."""
INITCODE = bytes((0x60, len(RUNTIME), 0x80, 0x60, 0x0B, 0x60, 0x00, 0x39, 0x60, 0x00, 0xF3)) + RUNTIME
SLOTS = 24
_DIGITS = "0123456789abcdef"

Question = Callable[[RemoteOrigin], object]


class LyingEndpoint(Endpoint):
    """Answers of a node in this process, of which one digit is altered where `generator` is set."""

    def __init__(self, node: "zevm.Node") -> None:
        super().__init__(Place("http://lying", {}), 1)
        self._node = node
        self.generator: random.Random | None = None
        self.altered = 0

    def exchange(self, message: Any) -> Any:
        """The answer to a message."""
        calls = message if isinstance(message, list) else [message]
        answers = [self._answer(call) for call in calls]
        if self.generator is not None:
            position = self.generator.randrange(len(answers))
            answers[position] = self._altered(answers[position], self.generator)
        return answers if isinstance(message, list) else answers[0]

    def _answer(self, call: Mapping[str, Any]) -> dict[str, Any]:
        result = self._node.request(call["method"], *call["params"])
        return {"jsonrpc": "2.0", "id": call["id"], "result": result}

    def _altered(self, answer: dict[str, Any], generator: random.Random) -> dict[str, Any]:
        """The answer with another digit at one place of a hexadecimal value in its result."""
        text = json.dumps(answer["result"])
        places = [index for start in _starts(text) for index in range(start, _end(text, start))]
        if not places:
            return answer
        place = generator.choice(places)
        digit = generator.choice([digit for digit in _DIGITS if digit != text[place]])
        self.altered += 1
        return answer | {"result": json.loads(text[:place] + digit + text[place + 1 :])}


def _starts(text: str) -> list[int]:
    """The places of the first digits of hexadecimal values."""
    found, at = [], text.find('"0x')
    while at >= 0:
        found.append(at + 3)
        at = text.find('"0x', at + 3)
    return found


def _end(text: str, start: int) -> int:
    return text.index('"', start)


class Grown(Protocol):
    """A node, in this process or in another one."""

    accounts: Sequence[Any]

    def request(self, method: str, *params: Any) -> Any:
        """The result of a call."""
        ...


def grow(node: "zevm.Node | Grown") -> tuple[str, list[str]]:
    """A contract with slots and logs on a node, and the hashes of its transactions."""
    sender = node.accounts[0].address

    def send(**fields: str) -> dict[str, Any]:
        sent = node.request("eth_sendTransaction", {"from": sender, "gas": hex(200_000), **fields})
        receipt: dict[str, Any] = node.request("eth_getTransactionReceipt", sent)
        return receipt

    contract: str = send(data="0x" + INITCODE.hex())["contractAddress"]
    hashes = [send(to=contract, data=f"0x{slot:064x}{slot + 7:064x}")["blockHash"] for slot in range(SLOTS)]
    return contract, hashes


def questions(contract: str, block_hashes: list[str], accounts: list[str]) -> list[Question]:
    """Reads of every kind that a fork makes of its origin."""
    address = bytes.fromhex(contract[2:])
    keys = [schema.account_key(bytes.fromhex(account[2:])) for account in [contract, *accounts, "0x" + "17" * 20]]
    keys += [schema.slot_key(address, slot) for slot in range(SLOTS + 2)]
    for block_hash in block_hashes:
        raw = bytes.fromhex(block_hash[2:])
        keys += [make(raw) for make in (schema.header_key, schema.body_key, schema.receipts_key)]
    keys += [schema.canonical_key(number) for number in range(SLOTS)]
    read: list[Question] = [lambda origin, key=key: origin.record(key) for key in keys]  # type: ignore[misc]
    return [*read, lambda origin: _code(origin, address)]


def _code(origin: RemoteOrigin, address: bytes) -> bytes:
    account = origin.state(origin.number, origin.header.state_root).account(address)  # type: ignore[arg-type]
    assert account is not None
    return origin.state(origin.number, origin.header.state_root).code(account.code_hash)


def run(answers: int, seed: int) -> Counter[str]:
    """Ask until this many answers were altered; counts of outcomes. AssertionError: a lie was taken for the truth."""
    outcomes: Counter[str] = Counter()
    with zevm.Node() as node:
        contract, hashes = grow(node)
        asked = questions(contract, hashes, [account.address for account in node.accounts])
        endpoint = LyingEndpoint(node)
        client = OriginClient([endpoint], Persistence(retries=0))
        header = header_of(node.request("eth_getBlockByNumber", "latest", False))
        schedule = schedule_of(31_337, header)
        truths = [question(RemoteOrigin(client, header, schedule, 1000)) for question in asked]
        generator = random.Random(seed)
        while endpoint.altered < answers:
            index = generator.randrange(len(asked))
            origin = RemoteOrigin(client, header, schedule, 1000)
            endpoint.generator = generator
            try:
                answer = asked[index](origin)
            except OriginError:
                outcomes["refused"] += 1
            else:
                assert answer == truths[index], f"question {index} was answered with a lie (seed {seed})"
                outcomes["harmless"] += 1
            finally:
                endpoint.generator = None
    return outcomes


def main() -> int:
    """Run the campaign, and print its outcomes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=10_000, help="altered answers")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    outcomes = run(options.answers, options.seed)
    print(f"{options.answers} altered answers: {dict(outcomes)}, no lie was taken for the truth")
    return 0


if __name__ == "__main__":
    sys.exit(main())
