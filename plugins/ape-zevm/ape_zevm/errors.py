"""Errors of the provider."""

from ape.exceptions import ProviderError


class ZevmProviderError(ProviderError):  # type: ignore[misc]
    """The node cannot be started, reached or used."""


class ZevmNotInstalledError(ZevmProviderError):
    """There is no program of the node."""

    def __init__(self, command: str) -> None:
        super().__init__(
            f"there is no program {command}; install zEVM in an environment of its own (pip install '.[cli]' in a "
            "clone), and give the program's path in ape-config.yaml, as in `zevm: {command: /opt/zevm/bin/zevm}`"
        )
