"""The providers of the fixtures `w3` and `async_w3`: they note the last execution that failed, for its trace."""

from typing import Any

from web3.types import RPCEndpoint, RPCResponse

from zevm.chain.view import ChainView
from zevm.node.testing.failures import LastExecution
from zevm.node.web3_providers import AsyncInProcessProvider, InProcessProvider
from zevm.rpc.transport.in_process import InProcess


class WatchedProvider(InProcessProvider):
    """For Web3. It answers eth_chainId itself, which web3.py asks for up to three times in each transaction."""

    def __init__(self, door: InProcess, chain: ChainView, last: LastExecution) -> None:
        super().__init__(door)
        self._chain = chain
        self._last = last

    @property
    def block_gas_limit(self) -> int:
        """The gas limit of the newest block."""
        return self._chain.head.header.gas_limit

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The response to one request."""
        if method == "eth_chainId":
            return {"jsonrpc": "2.0", "id": 0, "result": hex(self._chain.chain_id)}
        response = super().make_request(method, params)
        if "error" in response:
            self._last.note_failure(method, params)
        return response


class AsyncWatchedProvider(AsyncInProcessProvider):
    """For AsyncWeb3."""

    def __init__(self, door: InProcess, chain: ChainView, last: LastExecution) -> None:
        super().__init__(door)
        self._chain = chain
        self._last = last

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The response to one request."""
        if method == "eth_chainId":
            return {"jsonrpc": "2.0", "id": 0, "result": hex(self._chain.chain_id)}
        response = await super().make_request(method, params)
        if "error" in response:
            self._last.note_failure(method, params)
        return response
