"""The benchmarks in their smallest form: every curve is measured, every answer right; the numbers mean nothing."""

import pytest

from conformance.bench.goals import CURVES
from conformance.bench.results import OURS, THEIRS, Document, load
from conformance.support.processes import run
from conformance.support.servers import ROOT

SIZES = {"folder": (100, 250), "mailboxes": (5, 120), "connections": (1, 101), "tls": (1, 101)}
ALONE = {"tls"}  # Dovecot has no TLS here
SECONDS = 300


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """All curves but that of the workers, whose workloads are those of the table, in one round."""
    path = tmp_path_factory.mktemp("bench") / "small.json"
    sizes = [f"{axis}={','.join(map(str, some))}" for axis, some in SIZES.items()]
    options = [
        "--growth",
        "--quick",
        "--rounds",
        "1",
        "--axes",
        ",".join(SIZES),
        "--json",
        str(path),
        "--sizes",
        *sizes,
    ]
    python = ROOT / ".venv" / "bin" / "python"
    ended = run(python, "-m", "conformance.bench", *options, timeout=SECONDS, cwd=ROOT)
    assert ended.code == 0, ended.output
    return load(path)


@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("axis", SIZES)
def test_a_curve_has_a_value_for_every_metric_at_every_size(measured: Document, axis: str) -> None:
    (curve,) = [curve for curve in measured.curves if curve.axis == axis]
    assert curve.sizes() == list(SIZES[axis])
    assert set(curve.metrics()) == set(CURVES[axis])
    targets = {OURS} if axis in ALONE else {OURS, THEIRS}
    assert [
        (row.metric, row.size, row.trouble) for row in curve.rows if set(row.median) != targets or row.trouble
    ] == []
