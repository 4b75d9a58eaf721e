"""Origins that were changed since their newest block, as each fork is that has made none yet."""

from typing import Any

import pytest

import zevm
from zevm.node.errors import NodeError
from zevm.storage.errors import OriginError

pytestmark = pytest.mark.slow

OTHER = "0x" + "55" * 20


def test_a_fork_of_a_fork_needs_a_block_of_that_and_the_error_says_so() -> None:
    options: dict[str, Any] = {"no_storage_caching": True, "fork_retry_backoff": 1}
    with zevm.Node() as origin:
        sender = origin.accounts[0].address
        for value in (1, 2):
            origin.request("eth_sendTransaction", {"from": sender, "to": OTHER, "value": hex(value)})
        with zevm.Node(fork_url=(origin.serve(),), **options) as first:
            url = first.serve()
            with pytest.raises((NodeError, OriginError), match=r"is of another state: .* another block \(evm_mine\)"):
                zevm.Node(fork_url=(url,), **options).open()
            first.request("evm_mine")
            with zevm.Node(fork_url=(url,), **options) as second:
                assert second.request("eth_getBalance", OTHER, "latest") == "0x3"
                assert second.request("eth_getBalance", OTHER, "0x1") == "0x1"
                second.request("eth_sendTransaction", {"from": sender, "to": OTHER, "value": "0x4"})
                assert second.request("eth_getBalance", OTHER, "latest") == "0x7"
