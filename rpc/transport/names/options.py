"""The options of the name resolver's port."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NamesPortOptions:
    """hosts: names or addresses to listen on. port: 0 chooses one.

    allow_origins, allow_hosts: see rpc.transport.guard.Guard. upstream: the URL of a resolver for names that do not end
    in a top-level name of this chain; None for none.
    """

    hosts: tuple[str, ...] = ("127.0.0.1",)
    port: int = 9090
    allow_origins: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
    upstream: str | None = None
