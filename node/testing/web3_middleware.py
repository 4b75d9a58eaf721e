"""web3.py's own middleware without what it asks and formats in vain on a node in the same process.

The outcomes are web3.py's: each class leaves to the original whatever it has an effect on. Of the time of a transaction
by web3.py's defaults, the originals take half: five requests of their own, and formatters built for each request.
"""

import os
from typing import Any, Final, cast

from eth_utils.crypto import keccak_256
from web3 import Web3
from web3._utils.method_formatters import get_error_formatters
from web3.middleware import (
    BufferedGasEstimateMiddleware,
    ENSNameToAddressMiddleware,
    GasPriceStrategyMiddleware,
    ValidationMiddleware,
)
from web3.middleware.base import Web3Middleware
from web3.types import RPCEndpoint, RPCResponse

from zevm.node.testing.web3_functions import quicken
from zevm.storage.keccak import keccak256

GAS_BUFFER: Final = 100_000
"""Gas over the estimate, as web3.py adds it."""

_SENDING = "eth_sendTransaction"
_ESTIMATING = RPCEndpoint("eth_estimateGas")
_FEES = frozenset({"gasPrice", "maxFeePerGas", "maxPriorityFeePerGas"})
_BLOCKS = ("eth_getBlockByHash", "eth_getBlockByNumber")


class Fees(GasPriceStrategyMiddleware):
    """Fees are checked, and the latest block is read for them, only where a transaction or a strategy names some."""

    def request_processor(self, method: RPCEndpoint, params: Any) -> Any:
        """The request with checked fees."""
        if method != _SENDING or not (_FEES & params[0].keys() or self._w3.eth.generate_gas_price(params[0])):
            return method, params
        return super().request_processor(method, params)


class Names(ENSNameToAddressMiddleware):
    """ENS names are looked up where there is one: it has a dot, which no hexadecimal number has."""

    def request_processor(self, method: RPCEndpoint, params: Any) -> Any:
        """The request with addresses for names."""
        return super().request_processor(method, params) if _has_dot(params) else (method, params)


class Validation(Web3Middleware):
    """A declared chain id is compared with the node's, and a block's extraData with its limit."""

    def __init__(self, w3: Any) -> None:
        super().__init__(w3)
        self._whole = ValidationMiddleware(w3)

    def request_processor(self, method: RPCEndpoint, params: Any) -> Any:
        """The request, whose transaction is for this chain."""
        if params and isinstance(params[0], dict) and "chainId" in params[0]:
            return self._whole.request_processor(method, params)
        return method, params

    def response_processor(self, method: RPCEndpoint, response: RPCResponse) -> Any:
        """The response, whose block web3.py accepts."""
        return self._whole.response_processor(method, response) if method in _BLOCKS else response


class GasLimit(BufferedGasEstimateMiddleware):
    """A missing gas limit is the estimate and a buffer, at most the block's limit."""

    def request_processor(self, method: RPCEndpoint, params: Any) -> Any:
        """The request with a gas limit; an estimate that fails raises what web3.py's own raises."""
        if method != _SENDING or "gas" in params[0]:
            return method, params
        provider = cast(Any, self._w3.provider)
        response = provider.make_request(_ESTIMATING, [params[0]])
        if "error" in response:
            self._w3.manager.formatted_response(response, [params[0]], get_error_formatters(_ESTIMATING))
        estimate, limit = int(response["result"], 16), provider.block_gas_limit
        if estimate > limit:
            return super().request_processor(method, params)
        gas = min(estimate + GAS_BUFFER, limit)
        return method, ({**params[0], "gas": hex(gas)},)


def with_short_ways(w3: Web3) -> Web3:
    """The same Web3 with the middleware above in place of the default; hashes and conversions are quick everywhere."""
    if "ETH_HASH_BACKEND" not in os.environ:
        # a hundred and fifty hashes in a test with two transactions; the library that is found first takes ten times
        # as long
        keccak_256.hasher = cast(Any, keccak256)
    quicken()
    replacements = {
        "gas_price_strategy": Fees,
        "ens_name_to_address": Names,
        "validation": Validation,
        "gas_estimate": GasLimit,
    }
    for name, middleware in replacements.items():
        w3.middleware_onion.replace(name, cast(Any, middleware))
    return w3


def _has_dot(value: Any) -> bool:
    if isinstance(value, str):
        return "." in value
    if isinstance(value, dict):
        return any(_has_dot(item) for item in value.values())
    return isinstance(value, list | tuple) and any(_has_dot(item) for item in value)
