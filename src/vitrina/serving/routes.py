"""Which handler answers a path and a method: a table for plain paths, patterns for those with `{name}` parts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_PART = re.compile(r"\{(\w+)\}")

Handler = Callable[..., Any]


@dataclass(frozen=True)
class Route:
    """The handlers of one path, by method. `keyed`: an API key is asked for, where any are set."""

    path: str
    keyed: bool
    handlers: dict[str, Handler] = field(default_factory=dict)

    def allowed(self) -> str:
        """The methods it answers, as the `Allow` header lists them."""
        return ", ".join(self.handlers)


class Routes:
    """The routes of a service."""

    def __init__(self) -> None:
        self._plain: dict[str, Route] = {}
        self._patterns: list[tuple[re.Pattern[str], Route]] = []
        self._known: dict[str, Route] = {}

    def add(self, method: str, path: str, handler: Handler, *, keyed: bool = True) -> None:
        """Answer `method` on `path` by `handler`."""
        route = self._known.get(path)
        if route is None:
            route = self._known[path] = Route(path, keyed)
            if parameters(path):
                self._patterns.append((_pattern(path), route))
            else:
                self._plain[path] = route
        route.handlers[method] = handler

    def find(self, path: str) -> tuple[Route | None, dict[str, str]]:
        """The route of a request's path (None: there is none) and the path's parameters."""
        route = self._plain.get(path)
        if route is not None:
            return route, {}
        for pattern, each in self._patterns:
            match = pattern.fullmatch(path)
            if match:
                return each, match.groupdict()
        return None, {}


def parameters(path: str) -> list[str]:
    """The names of the `{name}` parts of a path."""
    return _PART.findall(path)


def _pattern(path: str) -> re.Pattern[str]:
    pieces = _PART.split(path)  # text, name, text, name, …, text
    return re.compile("".join(f"(?P<{piece}>[^/]+)" if i % 2 else re.escape(piece) for i, piece in enumerate(pieces)))
