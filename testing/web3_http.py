"""web3.py over HTTP, for tests and campaigns.

Its providers cannot be closed, and Python complains of a connection that is collected while it is open: here they are
kept until the process ends.
"""

from web3 import HTTPProvider, Web3

_KEPT: list[HTTPProvider] = []


def provider_at(url: str) -> HTTPProvider:
    """A provider whose connections outlive every test."""
    _KEPT.append(HTTPProvider(url))
    return _KEPT[-1]


def web3_at(url: str) -> Web3:
    """web3.py with such a provider."""
    return Web3(provider_at(url))
