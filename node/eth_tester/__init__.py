"""A backend for eth-tester whose chain is a node in this process; the extra `eth-tester` installs the library.

`ETHEREUM_TESTER_CHAIN_BACKEND=zevm.node.eth_tester.ZevmBackend` lets every program that uses eth-tester run on it.
"""

from zevm.node.extras import of_extra

with of_extra("eth-tester", "zevm.node.eth_tester"):
    from zevm.node.eth_tester.backend import ZevmBackend

__all__ = ["ZevmBackend"]
