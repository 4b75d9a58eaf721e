"""The section `zevm` of ape-config.yaml; keys that ape-foundry has too have its names and defaults."""

from ape.api import PluginConfig
from pydantic_settings import SettingsConfigDict


class ZevmConfig(PluginConfig):  # type: ignore[misc]
    """Settings of the provider.

    host: the address of a node, as in `http://127.0.0.1:8545`; `auto` starts one at a free port. manage_process: start
    a node at a local `host` where none listens. command: the node's program. arguments: additional flags of `zevm run`.
    evm_version: the newest active fork; the node's default if absent. base_fee, gas_price, priority_fee: wei.
    block_time: seconds between blocks; absent, each transaction has a block. request_timeout, start_timeout: seconds.
    """

    host: str = "auto"
    manage_process: bool = True
    command: str = "zevm"
    arguments: tuple[str, ...] = ()
    evm_version: str | None = None
    chain_id: int | None = None
    base_fee: int = 0
    gas_price: int = 0
    priority_fee: int = 0
    auto_mine: bool = True
    block_time: int | None = None
    disable_block_gas_limit: bool = False
    request_timeout: int = 30
    start_timeout: int = 60

    model_config = SettingsConfigDict(extra="allow", env_prefix="APE_ZEVM_")
