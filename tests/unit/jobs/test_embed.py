from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from vitrina.artifacts import write_manifest, write_text
from vitrina.contracts import CATALOGUE
from vitrina.data.tables import write_table
from vitrina.errors import DataError, UsageError
from vitrina.jobs import embed, plan_embedding

TOY = Path(__file__).parent / "toy"
TITLES = ["Red mug", "Blue mug", "Green hat", "Wool scarf", "Silk scarf"]


@pytest.fixture
def model(install_family: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.syspath_prepend(str(install_family("title_letters")))
    monkeypatch.syspath_prepend(str(TOY))
    folder = tmp_path / "model"
    folder.mkdir()
    write_manifest(folder, family="title_letters")
    return str(folder)


def catalogue(path: Path, titles: list[str]) -> Path:
    columns = dict.fromkeys(CATALOGUE.names) | {"language": "en"}
    rows = [{**columns, "product_id": f"p{i}", "title": title, "price": float(i)} for i, title in enumerate(titles)]
    write_table(pd.DataFrame(rows, columns=CATALOGUE.names), CATALOGUE, path)
    return path


def test_the_shards_together_are_the_catalogue_in_its_order(model: str, tmp_path: Path) -> None:
    table = catalogue(tmp_path / "catalogue.parquet", TITLES)
    parts = [embed(model, table, tmp_path / "parts", shard=shard, shards=2).part for shard in range(2)]
    rows = pd.concat([pd.read_parquet(part) for part in parts])
    whole = pd.read_parquet(embed(model, table, tmp_path / "whole").part)
    assert rows["title"].tolist() == whole["title"].tolist() == TITLES
    np.testing.assert_allclose(np.stack(rows["embedding"]), np.stack(whole["embedding"]))
    assert np.stack(whole["embedding"]).shape == (5, 26)


def test_a_finished_part_is_kept(model: str, tmp_path: Path) -> None:
    table = catalogue(tmp_path / "catalogue.parquet", TITLES)
    first = embed(model, table, tmp_path / "parts")
    written = first.part.stat().st_mtime_ns
    again = embed(model, table, tmp_path / "parts")
    assert (first.reused, again.reused, again.rows) == (False, True, 5)
    assert again.part.stat().st_mtime_ns == written


def test_a_part_of_another_catalogue_or_cut_short_is_made_anew(model: str, tmp_path: Path) -> None:
    part = embed(model, catalogue(tmp_path / "old.parquet", TITLES), tmp_path / "parts").part
    other = embed(model, catalogue(tmp_path / "new.parquet", TITLES[:3]), tmp_path / "parts")
    assert (other.reused, other.part, pq.read_metadata(part).num_rows) == (False, part, 3)
    part.write_bytes(part.read_bytes()[:-50])
    assert not embed(model, tmp_path / "new.parquet", tmp_path / "parts").reused


def test_after_a_failure_only_what_is_missing_is_made(model: str, tmp_path: Path) -> None:
    table = catalogue(tmp_path / "catalogue.parquet", TITLES)
    write_text(tmp_path / "poison.txt", "Wool scarf")
    embed(model, table, tmp_path / "parts", shard=0, shards=2)
    with pytest.raises(RuntimeError, match="Wool scarf"):
        embed(model, table, tmp_path / "parts", shard=1, shards=2)
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["part-00000-of-00002.parquet"]
    (tmp_path / "poison.txt").unlink()
    assert [embed(model, table, tmp_path / "parts", shard=n, shards=2).reused for n in range(2)] == [True, False]


def test_more_shards_than_products_leave_some_empty(model: str, tmp_path: Path) -> None:
    table = catalogue(tmp_path / "catalogue.parquet", TITLES[:1])
    assert [embed(model, table, tmp_path / "parts", shard=n, shards=3).rows for n in range(3)] == [0, 0, 1]


def test_a_plan_pins_the_version_and_names_a_folder_of_its_own(model: str, tmp_path: Path) -> None:
    table = catalogue(tmp_path / "catalogue.parquet", TITLES)
    plan = plan_embedding(model, table, tmp_path / "embeddings", products_a_shard=2)
    assert plan.shards == 3
    assert plan == plan_embedding(model, table, tmp_path / "embeddings", products_a_shard=2)
    other = plan_embedding(model, catalogue(tmp_path / "b.parquet", TITLES[:2]), tmp_path / "embeddings")
    assert other.folder != plan.folder


def test_bad_input_is_refused(model: str, tmp_path: Path) -> None:
    table = catalogue(tmp_path / "catalogue.parquet", TITLES)
    empty = catalogue(tmp_path / "empty.parquet", [])
    with pytest.raises(UsageError, match="no shard 2 of 2"):
        embed(model, table, tmp_path / "parts", shard=2, shards=2)
    with pytest.raises(UsageError, match="does not exist"):
        embed(model, tmp_path / "none.parquet", tmp_path / "parts")
    with pytest.raises(DataError, match="is empty"):
        embed(model, empty, tmp_path / "parts")
    with pytest.raises(DataError, match="is empty"):
        plan_embedding(model, empty, tmp_path / "parts")
    with pytest.raises(UsageError, match="at least one product"):
        plan_embedding(model, table, tmp_path / "parts", products_a_shard=0)
