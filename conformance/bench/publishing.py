"""A document, and beside it what people see of it."""

from pathlib import Path

from conformance.bench import plots, report
from conformance.bench.results import Document, save


def publish(path: Path, document: Document) -> None:
    """NAME.json, the page NAME.md, and the plots in NAME/."""
    save(path, document)
    path.with_suffix(".md").write_text(report.page(document, path.stem))
    plots.draw(document, path.with_suffix(""))
