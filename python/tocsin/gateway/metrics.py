"""ControlMetrics: figures of the control plane, one registry per node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


class _Totals(Collector):
    """Counters that others keep, all read at once when they are asked for."""

    def __init__(self, read: Callable[[], Iterable[tuple[str, str, float]]]) -> None:
        self._read = read

    def collect(self) -> Iterator[CounterMetricFamily]:
        for name, text, value in self._read():
            yield CounterMetricFamily(name, text, value=value)

    def describe(self) -> list[CounterMetricFamily]:
        return []  # the registry need not ask before there is anything


class ControlMetrics:
    """Counters the gateway's Python half keeps; `text` renders them."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)  # memory, CPU time, open files of the process
        self._identifies = Counter(
            "tocsin_identifies",
            "Identifies by outcome: ok, limited, gone, error or close code",
            ["outcome"],
            registry=self._registry,
        )
        self._takeovers = Counter(
            "tocsin_takeovers",
            "Resumes of other nodes' sessions by outcome: inherited, or why not",
            ["outcome"],
            registry=self._registry,
        )
        self._policy = Histogram(
            "tocsin_policy_seconds",
            "Time to apply one state event",
            registry=self._registry,
            buckets=(0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0),
        )
        self._failures = Counter(
            "tocsin_policy_failures", "State events after which a guild was read anew", registry=self._registry
        )

    def identified(self, outcome: str) -> None:
        """Count an identify."""
        self._identifies.labels(outcome).inc()

    def took_over(self, outcome: str) -> None:
        """Count a resume of another node's session."""
        self._takeovers.labels(outcome).inc()

    def applied(self, seconds: float) -> None:
        """Note how long a state event took."""
        self._policy.observe(seconds)

    def failed(self) -> None:
        """Count a state event that could not be applied."""
        self._failures.inc()

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Show a figure that is read when it is asked for."""
        Gauge(name, text, registry=self._registry).set_function(read)

    def watch_totals(self, read: Callable[[], Iterable[tuple[str, str, float]]]) -> None:
        """Show counters that are read when they are asked for: name (`_total` is added), meaning and value of each."""
        self._registry.register(_Totals(read))

    def text(self) -> str:
        """Return all in Prometheus' text format."""
        return generate_latest(self._registry).decode()
