"""The campaign against lying origins, for a short while; and that it finds one that nobody checks."""

from typing import Any

import pytest

from verification.forks import lies
from zevm.node.origin import state
from zevm.node.origin.proofs import Proved
from zevm.storage.account import Account, encode_account
from zevm.storage.primitives import Hash32, Wei

pytestmark = pytest.mark.slow


def test_no_altered_answer_is_taken_for_the_truth() -> None:
    outcomes = lies.run(400, seed=5)
    assert outcomes["refused"] > 300


def test_answers_that_nobody_proves_are_found_to_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    def believed(answer: Any, _root: bytes, _address: bytes, slots: list[int]) -> Proved:
        if not int(answer["codeHash"], 16):
            return Proved(None, dict.fromkeys(slots, 0), {})
        account = Account(
            int(answer["nonce"], 16),
            Wei(int(answer["balance"], 16)),
            bytes.fromhex(answer["storageHash"][2:]),
            Hash32(bytes.fromhex(answer["codeHash"][2:])),
        )
        values = [int(item["value"], 16) for item in answer["storageProof"]]
        return Proved(encode_account(account), dict(zip(slots, values, strict=True)), {})

    monkeypatch.setattr(state, "proved", believed)
    with pytest.raises(AssertionError, match="was answered with a lie"):
        lies.run(5_000, seed=5)
