"""What a server tells its operators: /metrics for Prometheus and /ready for whoever decides where traffic goes."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.twisted import MetricsResource
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

Gauge = tuple[str, str, Callable[[], float]]  # name, what it counts, its value now


class _Gauges:
    """Values that are asked for when somebody looks, and cost nothing otherwise."""

    def __init__(self, gauges: Iterable[Gauge]) -> None:
        self._gauges = tuple(gauges)

    def collect(self) -> Iterable[Metric]:
        for name, text, value in self._gauges:
            yield GaugeMetricFamily(name, text, value=value())


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


def site(gauges: Iterable[Gauge], is_ready: Callable[[], bool]) -> Site:
    """A Twisted web site with both pages."""
    registry = CollectorRegistry()
    registry.register(_Gauges(gauges))
    ProcessCollector(registry=registry)
    root = Resource()
    root.putChild(b"metrics", MetricsResource(registry=registry))
    root.putChild(b"ready", _Ready(is_ready))
    return Site(root)
