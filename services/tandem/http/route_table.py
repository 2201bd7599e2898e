"""Which route a path belongs to: a label for metrics that no request can make up, and the methods it takes."""

import re
from collections.abc import Iterable

from starlette.routing import BaseRoute, Mount, compile_path

UNMATCHED = "unmatched"


class RouteTable:
    """The routes' paths and methods, known before routing happens."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._exact: dict[str, set[str]] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], set[str]]] = {}
        for route in routes:
            path = getattr(route, "path", "") + ("/{path:path}" if isinstance(route, Mount) else "")
            methods = set(getattr(route, "methods", None) or {"GET", "HEAD"})
            if "{" not in path:
                self._exact.setdefault(path, set()).update(methods)
            else:
                known = self._patterns.setdefault(path, (compile_path(path)[0], set()))
                known[1].update(methods)

    def label(self, path: str) -> str:
        """The route's template, `unmatched` for a path that no route takes."""
        if path in self._exact:
            return path
        return next((name for name, (pattern, _) in self._patterns.items() if pattern.match(path)), UNMATCHED)

    def allowed(self, path: str) -> str | None:
        """The value of `Allow` for a path, None when no route takes it."""
        label = self.label(path)
        methods = self._exact.get(label) or (self._patterns[label][1] if label in self._patterns else None)
        return ", ".join(sorted(methods)) if methods else None
