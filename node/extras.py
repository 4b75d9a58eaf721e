"""The extras of the package: what an import that is missing is called, and how it is installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from zevm.node.errors import NodeError

EXTRAS: dict[str, tuple[str, ...]] = {
    "cli": ("typer", "rich"),
    "web3": ("web3",),
    "eth-tester": ("eth_tester",),
    "zns": ("ens_normalize", "pyunormalize"),
    "quic": ("aioquic", "pylsqpack"),
    "telemetry": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
    "audit": ("evmole",),
}
"""Extra -> the packages that it installs, by their import names; pyproject.toml has their versions. Those that share a
namespace with other distributions are named below it: the namespace alone may be another library's.
"""


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
        name = error.name or ""
        if _namespace(name) not in map(_namespace, EXTRAS[extra]):
            raise
        raise MissingExtraError(f"{purpose} needs {name}: pip install 'zevm-node[{extra}]'") from error


def missing_extras() -> list[str]:
    """The extras of which a package is not installed."""
    return [extra for extra, packages in EXTRAS.items() if not all(map(_is_installed, packages))]


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of what is above it
        return False


def _namespace(name: str) -> str:
    return name.partition(".")[0]
