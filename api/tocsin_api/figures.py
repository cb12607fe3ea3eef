"""HttpFigures: requests by method and status, and how long they took."""

from __future__ import annotations

from tocsin.figures import Timing, family

_KNOWN = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class HttpFigures:
    """What one process's API counts. `text` renders it."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, int], int] = {}
        self._messages = Timing()
        self._others = Timing()

    def answered(self, method: str, status: int, seconds: float) -> None:
        """Count a request that Litestar served; 0 stands for one whose client went away."""
        self._count(method, status)
        self._others.note(seconds)

    def posted(self, status: int, seconds: float) -> None:
        """Count a message's POST."""
        self._count("POST", status)
        self._messages.note(seconds)

    def _count(self, method: str, status: int) -> None:
        key = (method if method in _KNOWN else "other", status)
        self._answers[key] = self._answers.get(key, 0) + 1

    def text(self) -> str:
        """Return all in Prometheus' text format."""
        count, seconds = "tocsin_http_requests_total", "tocsin_http_request_seconds"
        counts = [
            f'{count}{{method="{method}",status="{status}"}} {number}'
            for (method, status), number in sorted(self._answers.items())
        ]
        timings = self._messages.lines(seconds, 'route="message"') + self._others.lines(seconds, 'route="other"')
        return family(count, "counter", "Requests by method and status; 0 is one whose client went away", counts) + (
            family(seconds, "histogram", "From a request to its answer; messages' POST by itself", timings)
        )
