"""What Prometheus can ask for. Every label has few values: routes, methods, clusters, states, names of commands."""

from collections.abc import Callable, Mapping
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.process_collector import ProcessCollector

from gql_gateway import __version__
from gql_gateway.core.states import JobState

_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 150)


class Metrics:
    """The counters of one gateway process."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Gauge("gql_gateway_info", "The version that runs.", ["version"], registry=registry).labels(__version__).set(1)
        self._requests = Counter(
            "gql_gateway_http_requests", "HTTP requests answered.", ["route", "method", "status"], registry=registry
        )
        self._seconds = Histogram(
            "gql_gateway_http_request_seconds",
            "Time from a request's head to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._bytes = Counter("gql_gateway_http_bytes", "Bytes of bodies.", ["route", "direction"], registry=registry)
        self._of_request = cache(self._counters)
        self._sockets = Gauge("gql_gateway_websockets_open", "WebSocket connections now.", registry=registry)
        self._commands = Histogram(
            "gql_gateway_cluster_command_seconds",
            "Time of each command on a cluster; `_count` of squeue, sacct and sbatch is the load put on Slurm.",
            ["cluster", "command", "outcome"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._jobs = Gauge("gql_gateway_jobs", "Jobs in each state, of all users.", ["state"], registry=registry)
        self._available = Gauge(
            "gql_gateway_cluster_available", "1 where the cluster answers, else 0.", ["cluster"], registry=registry
        )
        self._checked = Gauge(
            "gql_gateway_cluster_checked_timestamp_seconds",
            "When the watcher last looked at a cluster; now minus this is its lag.",
            ["cluster"],
            registry=registry,
        )

    def subscriptions(self, count: Callable[[], float]) -> None:
        """Ask `count` for the open subscriptions whenever somebody looks."""
        name, told = "gql_gateway_subscriptions_open", "GraphQL subscriptions now, over WebSocket and events."
        Gauge(name, told, registry=self._registry).set_function(count)

    def request(self, route: str, method: str, status: int, seconds: float, received: int, sent: int) -> None:
        """Count one HTTP request."""
        requests, took, incoming, outgoing = self._of_request(route, method, status)
        requests.inc()
        took.observe(seconds)
        incoming.inc(received)
        outgoing.inc(sent)

    def _counters(self, route: str, method: str, status: int) -> tuple[Counter, Histogram, Counter, Counter]:
        """What counts requests of one kind: finding it takes longer than counting."""
        taken = self._bytes.labels(route, "in"), self._bytes.labels(route, "out")
        return self._requests.labels(route, method, str(status)), self._seconds.labels(route), *taken

    def socket(self, change: int) -> None:
        """Count a WebSocket that opened (+1) or closed (-1)."""
        self._sockets.inc(change)

    def command(self, cluster: str, command: str, seconds: float, outcome: str) -> None:
        """Count one command on a cluster."""
        self._commands.labels(cluster, command, outcome).observe(seconds)

    def jobs(self, counts: Mapping[JobState, int]) -> None:
        """Set the number of jobs in each state."""
        for state in JobState:
            self._jobs.labels(state).set(counts.get(state, 0))

    def cluster(self, name: str, *, available: bool, checked_at: float) -> None:
        """Set what is known of a cluster; `checked_at` in seconds since 1970."""
        self._available.labels(name).set(available)
        self._checked.labels(name).set(checked_at)

    def page(self) -> bytes:
        """Everything, in Prometheus' text form."""
        return generate_latest(self._registry)
