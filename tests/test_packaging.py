"""What is installed is ours, and all of it."""

from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path

import pytest

OURS = ("core", "protocols", "adapters")
ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", OURS)
def test_no_dependency_ships_our_import_names(name: str) -> None:
    """A stranger's package of one of these names would replace ours without a word."""
    owners = set(packages_distributions().get(name, []))
    assert owners <= {"penfold"}


@pytest.mark.parametrize("name", OURS)
def test_our_packages_are_the_ones_imported(name: str) -> None:
    assert Path(__import__(name).__file__ or "").parent == ROOT / name


@pytest.mark.parametrize("name", [*OURS, "tests"])
def test_every_folder_with_code_is_a_package(name: str) -> None:
    """A namespace package loses to a real one elsewhere on the path."""
    folders = {path.parent for path in (ROOT / name).rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("name", OURS)
def test_our_packages_say_that_they_are_typed(name: str) -> None:
    assert files(name).joinpath("py.typed").is_file()


@pytest.mark.parametrize("path", ["statements/mailbox.sql", "schema/mailbox/001_initial.sql"])
def test_the_sql_comes_along(path: str) -> None:
    assert files("adapters.stores").joinpath(*path.split("/")).is_file()
