"""What a server tells its operators: /metrics for Prometheus and /ready for whoever decides where traffic goes.

Each worker has numbers of its own, told apart by a label; whichever is asked has the others say theirs.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from msgspec import Struct, convert, to_builtins
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.twisted import MetricsResource
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

Gauge = tuple[str, str, Callable[[], float]]  # name, what it counts, its value now

QUESTION: Final = "metrics"


class Others(Protocol):
    def ask_all(self, what: str, arguments: Any = None) -> list[Any]:
        """What all other workers answer."""
        ...


class Sample(Struct, frozen=True):
    """A number of one worker."""

    worker: int
    metric: str
    text: str
    kind: str
    name: str
    value: float


class WorkerMetrics:
    """One worker's; from any thread."""

    def __init__(self, worker: int, gauges: Iterable[Gauge]) -> None:
        self._worker = worker
        self._gauges = tuple(gauges)
        self._process = ProcessCollector(registry=None)

    def samples(self) -> Any:
        """As they are now, as plain values."""
        gauges = [GaugeMetricFamily(name, text, value=value()) for name, text, value in self._gauges]
        return to_builtins(
            [
                Sample(self._worker, metric.name, metric.documentation, metric.type, sample.name, sample.value)
                for metric in (*gauges, *self._process.collect())
                for sample in metric.samples
            ]
        )


class _AllMetrics:
    """A collector of what all workers have; on a thread."""

    def __init__(self, own: WorkerMetrics, others: Others) -> None:
        self._own = own
        self._others = others

    def collect(self) -> Iterable[Metric]:
        found: dict[str, Metric] = {}
        for told in (self._own.samples(), *self._others.ask_all(QUESTION)):
            for sample in convert(told, list[Sample]):
                metric = found.setdefault(sample.metric, Metric(sample.metric, sample.text, sample.kind))
                metric.add_sample(sample.name, {"worker": str(sample.worker)}, sample.value)
        return found.values()


class _Ready(Resource):
    isLeaf = 1  # noqa: N815 - Twisted's name

    def __init__(self, is_ready: Callable[[], bool]) -> None:
        super().__init__()
        self._is_ready = is_ready

    def render_GET(self, request: Request) -> bytes:  # noqa: N802 - Twisted's name
        if self._is_ready():
            return b"ready\n"
        request.setResponseCode(503)
        return b"not ready\n"


def site(own: WorkerMetrics, others: Others, is_ready: Callable[[], bool]) -> Site:
    """A Twisted web site with both pages."""
    registry = CollectorRegistry()
    registry.register(_AllMetrics(own, others))
    root = Resource()
    root.putChild(b"metrics", MetricsResource(registry=registry))
    root.putChild(b"ready", _Ready(is_ready))
    return Site(root)
