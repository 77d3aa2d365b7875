"""`vitrina index search --rerank` with a trained re-ranker."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import vitrina.cli.index  # registers the command
from vitrina.cli import app
from vitrina.errors import UsageError
from vitrina.jobs import index_search
from vitrina.search import Entries, build_index

assert vitrina.cli.index.app is app

TITLES = ("camera camera camera", "camera by canon x1007 new", "lamp by acme x1350 new")


@pytest.fixture
def index(tmp_path: Path) -> str:
    rows = pa.table({"product_id": ["a", "b", "c"], "title": list(TITLES)})
    vectors = np.eye(3, dtype=np.float32)
    build_index(str(tmp_path / "index"), [Entries(rows, vectors, TITLES)], model="toy", version="v1")
    return str(tmp_path / "index")


def test_a_reranker_moves_the_same_product_to_the_top(index: str, model: Path) -> None:
    plain = index_search(index, "canon camera x1007", k=3)
    better = index_search(index, "canon camera x1007", k=3, rerank=str(model))
    assert {hit["product_id"] for hit in better.hits} == {hit["product_id"] for hit in plain.hits}
    assert better.hits[0]["product_id"] == "b"
    scores = [hit["score"] for hit in better.hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_the_command_takes_a_reranker(index: str, model: Path) -> None:
    arguments = ["index", "search", index, "canon camera x1007", "--k", "1", "--rerank", str(model), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert [hit["product_id"] for hit in json.loads(result.stdout)["hits"]] == ["b"]


def test_a_model_that_cannot_rerank_is_refused(index: str, student_folder: Path) -> None:
    with pytest.raises(UsageError, match="intent_classifier does not re-rank"):
        index_search(index, "canon camera", rerank=str(student_folder))
