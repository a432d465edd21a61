"""The two pages for operators, rendered without a network; test_server asks for them over HTTP."""

from typing import Any

import pytest
from twisted.web.resource import Resource

from adapters.server.metrics import Gauge, WorkerMetrics, site


class Others:
    """The other workers."""

    def __init__(self, *workers: WorkerMetrics) -> None:
        self.workers = workers

    def ask_all(self, what: str, arguments: Any = None) -> list[Any]:
        return [worker.samples() for worker in self.workers]


class Request:
    """As much of a request as these pages look at."""

    def __init__(self) -> None:
        self.code = 200

    def setResponseCode(self, code: int) -> None:  # noqa: N802 - Twisted's name
        self.code = code


def ready(is_ready: bool) -> tuple[int, bytes]:
    page: Any = root((), is_ready=is_ready).children[b"ready"]
    request = Request()
    body: bytes = page.render_GET(request)
    return request.code, body


def root(gauges: tuple[Gauge, ...], *others: WorkerMetrics, is_ready: bool = True) -> Resource:
    resource: Resource = site(WorkerMetrics(0, gauges), Others(*others), lambda: is_ready).resource
    return resource


@pytest.mark.parametrize(("is_ready", "answer"), [(True, (200, b"ready\n")), (False, (503, b"not ready\n"))])
def test_readiness_is_a_status_code(is_ready: bool, answer: tuple[int, bytes]) -> None:
    """T-11.4."""
    assert ready(is_ready) == answer


def test_a_gauge_has_the_value_of_the_moment() -> None:
    values = iter((3.0, 4.0))
    resource: Any = root((("penfold_things", "Things", lambda: next(values)),)).children[b"metrics"]
    for value in (b"3.0", b"4.0"):
        page = rendered(resource)
        assert b"# HELP penfold_things Things\n" in page
        assert b'\npenfold_things{worker="0"} ' + value + b"\n" in page


def rendered(resource: Any) -> bytes:
    """The page."""
    return b"".join(resource._application({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: None))


def test_every_worker_tells_its_own_numbers() -> None:
    other = WorkerMetrics(1, (("penfold_things", "Things", lambda: 7.0),))
    page = rendered(root((("penfold_things", "Things", lambda: 3.0),), other).children[b"metrics"])
    assert page.count(b"# HELP penfold_things Things\n") == 1
    assert b'penfold_things{worker="0"} 3.0\npenfold_things{worker="1"} 7.0\n' in page
    assert page.count(b"process_resident_memory_bytes{") == 2


def test_two_sites_in_one_process_do_not_mix() -> None:
    for _ in range(2):
        assert b"metrics" in root((("penfold_things", "Things", lambda: 1.0),)).children
