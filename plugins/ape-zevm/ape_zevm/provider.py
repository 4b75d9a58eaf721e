"""The provider: it starts `zevm run`, or connects to a node, and drives it by Anvil's methods."""

import shutil
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, cast
from urllib.parse import urlsplit

from ape.api import SubprocessProvider, TestProviderAPI, TraceAPI
from ape_ethereum.provider import Web3Provider
from ape_ethereum.trace import TraceApproach
from ape_test.config import ApeTestConfig
from eth_utils import to_hex
from web3 import HTTPProvider, Web3

from ape_zevm.config import ZevmConfig
from ape_zevm.errors import ZevmNotInstalledError, ZevmProviderError
from ape_zevm.process import complete, is_local, last_words, logged

WEI_PER_ETHER = 10**18


class ZevmProvider(SubprocessProvider, Web3Provider, TestProviderAPI):  # type: ignore[misc]
    """A local network on zEVM: a node of its own, or the one at the setting `host`."""

    _web3: Web3 | None = None
    _uri: str | None = None
    _log: Path | None = None
    _is_starting: bool = False

    @property
    def settings(self) -> ZevmConfig:
        """The section `zevm` of ape-config.yaml, with the settings of this connection over it."""
        return cast(ZevmConfig, super().settings)

    @property
    def process_name(self) -> str:
        """The node's name in Ape's messages."""
        return "zevm"

    @property
    def connection_id(self) -> str | None:
        """A name that connections to the same node share."""
        return f"{self.network_choice}:{self._uri or self.settings.host}"

    @property
    def uri(self) -> str:
        """The node's address, as a URL with its port; a free port if the node is to be started."""
        if self._uri is None:
            self._uri = complete(self.settings.host)
        return self._uri

    @property
    def http_uri(self) -> str:
        """The same."""
        return self.uri

    @property
    def ws_uri(self) -> str:
        """The same port's address for WebSocket."""
        return "ws" + self.uri.removeprefix("http")

    @property
    def is_connected(self) -> bool:
        """Whether the node answers. Raises ZevmProviderError if it ended while it was starting."""
        if self._is_starting and self.process is not None and self.process.poll() is not None:
            assert self._log is not None
            raise ZevmProviderError(f"zevm ended with {self.process.returncode}: {last_words(self._log)}")
        return self._web3 is not None and bool(self._web3.is_connected())

    def connect(self) -> None:
        """Start the node, or connect to one that listens. Raises ZevmProviderError."""
        self.__dict__.pop("chain_id", None)
        self._set_web3()
        if self.is_connected:
            self._check_node()
            return
        if not (self.settings.manage_process and is_local(self.uri)):
            raise ZevmProviderError(f"{self.uri}: no node answers there; start one, or set zevm.host to auto")
        super().connect()
        self._is_starting = True
        try:
            self.start(timeout=self.settings.start_timeout)
        except BaseException:
            self.disconnect()
            raise
        finally:
            self._is_starting = False

    def disconnect(self) -> None:
        """End the connection, and the node if it is the provider's own."""
        self._web3 = self._uri = self._client_version = None
        self._transaction_trace_cache.clear()
        super().disconnect()
        if self._log is not None:
            shutil.rmtree(self._log.parent, ignore_errors=True)
            self._log = None

    def build_command(self) -> list[str]:
        """The node's command. Raises ZevmNotInstalledError."""
        if self._log is None:
            self._log = Path(mkdtemp(prefix="ape-zevm-")) / "output.log"
        return logged(
            [self._program, "run", "--memory", "--quiet", *self._flags(), *self.settings.arguments], self._log
        )

    @property
    def _program(self) -> str:
        command = self.settings.command
        program = shutil.which(command)
        if program is None:
            raise ZevmNotInstalledError(command)
        return program

    def _flags(self) -> list[str]:
        """The settings as flags of `zevm run`."""
        settings, test = self.settings, self._test_settings
        address = urlsplit(self.uri)
        given: dict[str, Any] = {
            "--host": "127.0.0.1" if address.hostname == "localhost" else address.hostname,
            "--port": address.port,
            "--mnemonic": test.mnemonic,
            "--accounts": test.number_of_accounts,
            "--derivation-path": test.hd_path.removesuffix("{}").rstrip("/") + "/",
            "--balance": test.balance // WEI_PER_ETHER,
            "--block-base-fee-per-gas": settings.base_fee,
            "--gas-price": settings.gas_price,
            "--hardfork": settings.evm_version,
            "--chain-id": settings.chain_id,
            "--block-time": settings.block_time,
        }
        switches = {
            "--disable-min-priority-fee": True,
            "--no-mining": not settings.auto_mine,
            "--disable-block-gas-limit": settings.disable_block_gas_limit,
        }
        flags = [word for flag, value in given.items() if value is not None for word in (flag, str(value))]
        return flags + [flag for flag, is_on in switches.items() if is_on]

    @cached_property
    def _test_settings(self) -> ApeTestConfig:
        return cast(ApeTestConfig, self.config_manager.get_config("test"))

    def _set_web3(self) -> None:
        timeout = {"timeout": self.settings.request_timeout}
        self._web3 = Web3(HTTPProvider(self.uri, request_kwargs=timeout, exception_retry_configuration=None))

    def _check_node(self) -> None:
        """Raise ZevmProviderError if another program listens at the address."""
        if "zvm" not in self.make_request("rpc_modules", []):
            raise ZevmProviderError(f"{self.uri}: {self.client_version} listens there, not zEVM; set zevm.host to auto")

    # Prices

    @property
    def gas_price(self) -> int:
        """Wei for each unit of gas of a transaction that names no price; the setting's for a node of one's own."""
        return self.settings.gas_price if self.process is not None else int(self.web3.eth.gas_price)

    @property
    def priority_fee(self) -> int:
        """Wei for each unit of gas that goes to the block's maker."""
        return self.settings.priority_fee

    # The chain

    @property
    def auto_mine(self) -> bool:
        """Whether each transaction has a block at once."""
        return bool(self.make_request("anvil_getAutomine", []))

    @auto_mine.setter
    def auto_mine(self, value: bool) -> None:
        self.make_request("evm_setAutomine", [value])

    def mine(self, num_blocks: int = 1) -> None:
        """Make blocks."""
        self.make_request("anvil_mine", [hex(num_blocks)])

    def set_timestamp(self, new_timestamp: int) -> None:
        """Set the next block's time, in seconds since 1970."""
        self.make_request("evm_setNextBlockTimestamp", [hex(new_timestamp)])

    def snapshot(self) -> str:
        """Keep the state; the id for `restore`."""
        return str(self.make_request("evm_snapshot", []))

    def restore(self, snapshot_id: Any) -> bool:
        """Return to a snapshot; False if there is no such one."""
        known = hex(snapshot_id) if isinstance(snapshot_id, int) else snapshot_id
        return self.make_request("evm_revert", [known]) is True

    def set_block_gas_limit(self, gas_limit: int) -> bool:
        """Set the gas limit of blocks to come."""
        return self.make_request("evm_setBlockGasLimit", [hex(gas_limit)]) is True

    # Accounts

    @property
    def unlocked_accounts(self) -> list[Any]:
        """Addresses that send without a key."""
        return list(self.account_manager.test_accounts._impersonated_accounts)

    def unlock_account(self, address: Any) -> bool:
        """Let an address send without a key."""
        self.make_request("anvil_impersonateAccount", [address])
        return True

    def relock_account(self, address: Any) -> None:
        """Let it no longer."""
        self.make_request("anvil_stopImpersonatingAccount", [address])

    def set_balance(self, account: Any, amount: Any) -> None:
        """Set an account's wei: a number, its text, or an amount such as `50 ETH`."""
        if isinstance(amount, str):
            amount = self.conversion_manager.convert(amount, int) if " " in amount else int(amount, 0)
        self.make_request("anvil_setBalance", [account, to_hex(amount)])

    def set_code(self, address: Any, code: Any) -> bool:
        """Set an account's code: bytes, or hexadecimal text. Raises ValueError for another text."""
        self.make_request("anvil_setCode", [address, _hexadecimal(code)])
        return True

    def set_storage(self, address: Any, slot: Any, value: Any) -> None:
        """Set a slot of a contract, each of slot and value a number, bytes or hexadecimal text."""
        self.make_request("anvil_setStorageAt", [address, _word(slot), _word(value)])

    # Traces

    def get_transaction_trace(self, transaction_hash: str, **kwargs: Any) -> TraceAPI:
        """A transaction's trace; its call tree comes from the node's callTracer."""
        kwargs.setdefault("call_trace_approach", self.call_trace_approach or TraceApproach.GETH_CALL_TRACER)
        return cast(TraceAPI, super().get_transaction_trace(transaction_hash, **kwargs))


def _hexadecimal(code: Any) -> str:
    """Code as the node takes it."""
    return to_hex(bytes.fromhex(code.removeprefix("0x")) if isinstance(code, str) else bytes(code))


def _word(value: Any) -> str:
    """A number, bytes or hexadecimal text as a 32-byte word; shorter bytes are a number too."""
    number = int(value, 16) if isinstance(value, str) else value if isinstance(value, int) else int.from_bytes(value)
    return f"0x{number:064x}"
