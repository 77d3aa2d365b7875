"""`vitrina index …` as a person and as a program use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vitrina.artifacts import write_manifest
from vitrina.contracts import CATALOGUE
from vitrina.data.tables import write_table
from vitrina.errors import UsageError

TOY = Path(__file__).parents[1] / "jobs" / "toy"


@pytest.fixture
def run(install_family: Callable[..., Path], tmp_path, monkeypatch) -> Callable[..., str]:
    """Runs a command in a folder with a model and a catalogue; returns what it printed."""
    import pandas as pd

    from vitrina.cli import app, index  # noqa: F401 - the second adds its commands to the first

    for folder in (install_family("title_letters"), TOY):
        monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(tmp_path)
    Path("model").mkdir()
    write_manifest(Path("model"), family="title_letters")
    titles = ["red shirt", "blue shirt", "black shoe"]
    known = {"product_id": ["a", "b", "c"], "title": titles, "price": [5.0, 10.0, None], "language": "en"}
    write_table(pd.DataFrame(dict.fromkeys(CATALOGUE.names) | known), CATALOGUE, Path("catalogue.parquet"))

    def invoke(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["index", *arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    return invoke


def test_build_search_add_and_remove(run):
    built = json.loads(run("build", "model", "catalogue.parquet", "--output", "index", "--json"))
    assert (built["rows"], built["model"]) == (3, "title_letters")
    found = json.loads(run("search", "index", "shrit blue", "--model", "model", "--k", "2", "--json"))
    assert [hit["product_id"] for hit in found["hits"]] == ["b", "a"]
    added = json.loads(run("add", "index", "catalogue.parquet", "--model", "model", "--json"))
    assert (added["added"], added["replaced"]) == (0, 3)
    Path("ids.txt").write_text("b\n\nnobody\n")
    removed = json.loads(run("remove", "index", "a", "--file", "ids.txt", "--json"))
    assert (removed["removed"], removed["unknown"], removed["rows"]) == (2, ["nobody"], 1)
    with pytest.raises(UsageError, match=r"ids\.csv does not exist"):
        run("remove", "index", "--file", "ids.csv")


def test_people_get_a_table_and_filters_work(run):
    assert "rows" in run("build", "model", "catalogue.parquet", "--output", "index")
    table = run("search", "index", "shirt", "--max-price", "7", "--language", "en")
    assert "red shirt" in table
    assert "5.00" in table
    assert "blue" not in table
    assert "No product was found." in run("search", "index", "shirt", "--category", "Toys")
    with pytest.raises(UsageError, match="price range is empty"):
        run("search", "index", "shirt", "--min-price", "9", "--max-price", "1")


def test_every_command_shows_an_example(run):
    for name in ("build", "add", "remove", "search"):
        assert "Example: vitrina index" in run(name, "--help")
