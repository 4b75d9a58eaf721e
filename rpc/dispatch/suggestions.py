"""Suggestions of a method for an unknown name."""

import difflib
from collections.abc import Iterable, Sequence

NAME_LIMIT = 64
"""Characters up to which a name is compared; the longest method has 43."""

_ALIKE = 0.8


class Suggestions:
    """The nearest of some names, for any thread; answers are cached, so that a repeated question costs nothing."""

    MEMORY = 1_024
    """Maximum of cached answers; past it, the cache is emptied."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)
        self._namespaces = sorted({_namespace(name) for name in self._names})
        self._by_lower = {name.lower(): name for name in self._names}
        self._known: dict[str, str | None] = {}

    def nearest(self, name: str) -> str | None:
        """The most similar name, or None if no name is similar."""
        if len(name) > NAME_LIMIT:
            return None
        try:
            return self._known[name]
        except KeyError:
            # another thread may empty the cache at any time
            nearest = self._find(name)
        if len(self._known) >= self.MEMORY:
            self._known.clear()
        self._known[name] = nearest
        return nearest

    def _find(self, name: str) -> str | None:
        exact = self._by_lower.get(name.lower())
        if exact is not None:
            return exact
        # the namespace first: it leaves a tenth of the names to compare
        namespace = _closest(_namespace(name), self._namespaces)
        return _closest(name, [each for each in self._names if _namespace(each) == namespace])


def _closest(name: str, candidates: Sequence[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, candidates, n=1, cutoff=_ALIKE)), None)


def _namespace(name: str) -> str:
    return name.partition("_")[0]
