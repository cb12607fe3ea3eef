"""ControlMetrics: figures of the control plane, one registry per node."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class ControlMetrics:
    """Counters the gateway's Python half keeps; `text` renders them."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._identifies = Counter(
            "tocsin_identifies",
            "Identifies by outcome: ok, limited, error or close code",
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

    def applied(self, seconds: float) -> None:
        """Note how long a state event took."""
        self._policy.observe(seconds)

    def failed(self) -> None:
        """Count a state event that could not be applied."""
        self._failures.inc()

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Show a figure that is read when it is asked for."""
        Gauge(name, text, registry=self._registry).set_function(read)

    def text(self) -> str:
        """Return all in Prometheus' text format."""
        return generate_latest(self._registry).decode()
