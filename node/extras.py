"""The extras of the package: what an import that is missing is called, and how it is installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from zevm.node.errors import NodeError

EXTRAS: dict[str, tuple[str, ...]] = {
    "cli": ("typer", "rich"),
    "web3": ("web3",),
    "eth-tester": ("eth_tester",),
    "zns": ("ens_normalize", "pyunormalize"),
    "quic": ("aioquic", "pylsqpack"),
    "telemetry": ("opentelemetry",),
}
"""Extra -> the packages that it installs, by their import names; pyproject.toml has their versions."""


class MissingExtraError(NodeError):
    """A package of an extra is not installed; the message names the command that installs it."""


@contextmanager
def of_extra(extra: str, purpose: str) -> Iterator[None]:
    """Frame imports of an extra's packages. Raises MissingExtraError where one of them is not installed.

    purpose: what needs them, as the subject of the message.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS[extra]:
            raise
        raise MissingExtraError(f"{purpose} needs {package}: pip install 'zevm-node[{extra}]'") from error
