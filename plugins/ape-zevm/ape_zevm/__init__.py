"""Ape on zEVM: the provider `zevm` of local networks, as in `ape test --network ethereum:local:zevm`."""

from collections.abc import Iterator
from typing import Any

from ape import plugins

ECOSYSTEMS = ("ethereum", "arbitrum", "base", "optimism", "polygon")
"""Ecosystems whose local network may be zEVM; Ape has those other than Ethereum from plugins."""


@plugins.register(plugins.Config)  # type: ignore[untyped-decorator]
def config_class() -> type:
    """The class of the section `zevm` in ape-config.yaml."""
    from ape_zevm.config import ZevmConfig

    return ZevmConfig


@plugins.register(plugins.ProviderPlugin)  # type: ignore[untyped-decorator]
def providers() -> Iterator[tuple[str, str, type]]:
    """(ecosystem, network, class of the provider)."""
    from ape_zevm.provider import ZevmProvider

    for ecosystem in ECOSYSTEMS:
        yield ecosystem, "local", ZevmProvider


def __getattr__(name: str) -> Any:
    # Ape imports every plugin for every command, and the provider takes web3.py
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from ape_zevm import config, errors, provider

    return next(getattr(module, name) for module in (config, errors, provider) if hasattr(module, name))


__all__ = ["ZevmConfig", "ZevmNotInstalledError", "ZevmProvider", "ZevmProviderError"]
