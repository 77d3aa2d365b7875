"""The embedding pipeline on the local runner: shards, a failure in the middle, and what a second run still does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipelines.compiling import load
from pipelines.local import PipelineFailed, PipelineRun, run
from vitrina.artifacts import write_manifest, write_text
from vitrina.jobs import index_search

TOY = Path(__file__).parents[1] / "unit" / "jobs" / "toy"
TITLES = ["Red mug", "Blue mug", "Green hat", "Wool scarf", "Silk scarf"]


@pytest.fixture
def embed(install_family: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Runs the pipeline on five products, two a shard."""
    sites = [str(install_family("title_letters")), str(TOY)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sites))
    for site in sites:
        monkeypatch.syspath_prepend(site)
    (tmp_path / "model").mkdir()
    write_manifest(tmp_path / "model", family="title_letters")
    shop = pd.DataFrame({"product_id": [f"p{i}" for i in range(5)], "title": TITLES, "price": range(5)})
    shop.to_csv(tmp_path / "shop.csv", index=False)
    parameters = {
        "model": str(tmp_path / "model"),
        "tables": {"catalogue": str(tmp_path / "shop.csv")},
        "embeddings": str(tmp_path / "embeddings"),
        "search_index": str(tmp_path / "index"),
        "products_a_shard": 2,
    }
    return lambda: run(load("embedding"), parameters, tmp_path / "runs")


def test_after_a_failed_shard_a_second_run_makes_only_what_is_missing(
    embed: Callable[[], PipelineRun], tmp_path: Path
) -> None:
    write_text(tmp_path / "poison.txt", "Silk scarf")
    with pytest.raises(PipelineFailed, match="the model broke at Silk scarf"):
        embed()
    made = sorted((tmp_path / "embeddings").rglob("part-*.parquet"))
    assert made
    assert not (tmp_path / "index").exists()
    written = [part.stat().st_mtime_ns for part in made]

    (tmp_path / "poison.txt").unlink()
    result = embed()
    assert [part.stat().st_mtime_ns for part in made] == written
    parts = sorted((tmp_path / "embeddings").rglob("part-*.parquet"))
    assert pd.concat([pd.read_parquet(part) for part in parts])["title"].tolist() == TITLES
    assert {task.status for task in result.tasks} == {"succeeded"}
    found = index_search(str(tmp_path / "index"), "scarf", model=str(tmp_path / "model"), k=2)
    assert {hit["title"] for hit in found.hits} == {"Wool scarf", "Silk scarf"}
