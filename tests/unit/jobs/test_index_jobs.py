"""The jobs index_build, index_add, index_remove and index_search with a real catalogue and model folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from vitrina.artifacts import folder_version, write_manifest
from vitrina.contracts import CATALOGUE
from vitrina.data.tables import write_table
from vitrina.errors import ArtifactError, DataError, UsageError
from vitrina.jobs import embed, index_add, index_build, index_remove, index_search
from vitrina.search import Filters
from vitrina.search.shards import EMBEDDING, made_by

TOY = Path(__file__).parent / "toy"
TITLES = ["red shirt", "blue shirt", "green polo shirt", "black running shoe", "white running shoe", "camión rojo"]


@pytest.fixture
def embedder(install_family: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The folder of a model that embeds a product by the letters of its title."""
    monkeypatch.syspath_prepend(str(install_family("title_letters")))
    monkeypatch.syspath_prepend(str(TOY))
    folder = tmp_path / "model"
    folder.mkdir()
    write_manifest(folder, family="title_letters")
    return str(folder)


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """Six products; of the last, category and price are unknown."""
    return catalogue_file(tmp_path / "catalogue.parquet", TITLES)


def catalogue_file(path: Path, titles: list[str]) -> Path:
    last = len(titles) - 1
    frame = pd.DataFrame(
        {
            "product_id": [f"p{number}" for number in range(len(titles))],
            "title": titles,
            "category": [None if n == last else f"Clothing > {t.split()[-1].title()}" for n, t in enumerate(titles)],
            "brand": ["Acme"] * len(titles),
            "price": [None if n == last else 10.0 * (n + 1) for n in range(len(titles))],
            "currency": [None if n == last else "EUR" for n in range(len(titles))],
            "attributes": [[("colour", title.split()[0])] for title in titles],
            "language": ["es" if "ó" in title else "en" for title in titles],
        }
    )
    unknown = dict.fromkeys(set(CATALOGUE.names) - set(frame))
    write_table(frame.assign(**unknown), CATALOGUE, path)
    return path


def ids(result):
    return [hit["product_id"] for hit in result.hits]


@pytest.fixture
def index(embedder, catalogue, tmp_path) -> str:
    """An index of the catalogue."""
    return index_build(embedder, catalogue, str(tmp_path / "index")).index


def test_a_catalogue_becomes_an_index_that_says_what_it_was_built_from(embedder, catalogue, tmp_path):
    told = []
    result = index_build(embedder, catalogue, str(tmp_path / "index"), progress=lambda *each: told.append(each))
    assert (result.model, result.rows, result.dimension) == ("title_letters", 6, 26)
    assert result.version == folder_version(tmp_path / "model")
    assert told == [("reading", 6), ("indexing", 6)]


def test_a_search_by_meaning_by_letters_and_by_both(index, embedder):
    assert ids(index_search(index, "shirt blue", model=embedder, mode="vector", k=1)) == ["p1"]
    assert ids(index_search(index, "balck runing shoe", k=1)) == ["p3"]
    hybrid = index_search(index, "white shoes", model=embedder, k=1)
    assert (hybrid.mode, ids(hybrid)) == ("hybrid", ["p4"])
    assert hybrid.hits[0] | {"score": 0} == {
        "product_id": "p4",
        "score": 0,
        "title": "white running shoe",
        "category": "Clothing > Shoe",
        "price": 50.0,
        "currency": "EUR",
        "language": "en",
    }


def test_words_of_brand_category_and_attributes_are_found_too(index):
    assert len(index_search(index, "acme").hits) == len(TITLES)
    assert set(ids(index_search(index, "clothing", k=5))) == {"p0", "p1", "p2", "p3", "p4"}


def test_a_filter_that_nothing_passes_gives_no_hits_and_unknown_prices_do_not_pass(index, embedder):
    assert index_search(index, "shirt", model=embedder, filters=Filters(category="Toys")).hits == []
    found = index_search(index, "camion", model=embedder, filters=Filters(min_price=0))
    assert "p5" not in ids(found)
    assert ids(index_search(index, "camion", model=embedder, k=1)) == ["p5"]


def test_added_products_replace_those_of_the_same_id(index, embedder, tmp_path):
    more = catalogue_file(tmp_path / "more.parquet", ["purple hat", "striped sock"])
    result = index_add(index, embedder, more)
    assert (result.added, result.replaced, result.rows) == (0, 2, 6)
    assert ids(index_search(index, "purple hat", model=embedder, k=1)) == ["p0"]
    assert "p0" not in ids(index_search(index, "red shirt", k=1))


def test_removed_products_are_gone_and_unknown_ids_are_named(index):
    result = index_remove(index, ["p0", "p9"])
    assert (result.removed, result.unknown, result.rows) == (1, ["p9"], 5)
    assert "p0" not in ids(index_search(index, "red shirt", k=10))
    with pytest.raises(UsageError, match="at least one product id"):
        index_remove(index, [])


def test_an_index_of_another_model_version_is_refused_everywhere_it_matters(index, embedder, catalogue, tmp_path):
    write_manifest(tmp_path / "model", family="title_letters", seed=8)
    for use in (
        lambda: index_search(index, "shirt", model=embedder),
        lambda: index_add(index, embedder, catalogue),
    ):
        with pytest.raises(ArtifactError, match="was built by title_letters version .*: build it again with"):
            use()
    assert index_search(index, "shirt").hits  # letters do not depend on the model
    index_build(embedder, catalogue, index)
    assert index_search(index, "shirt", model=embedder).hits


def test_parts_of_the_job_embed_are_indexed_without_running_the_model(index, embedder, catalogue, tmp_path):
    for shard in range(4):
        embed(embedder, catalogue, tmp_path / "parts", shard=shard, shards=4)
    expected = index_search(index, "white shoes", model=embedder)
    (tmp_path / "poison.txt").write_text("red shirt")  # now the model breaks when it is run on the catalogue
    with pytest.raises(RuntimeError, match="the model broke"):
        index_build(embedder, catalogue, index)
    result = index_build(embedder, tmp_path / "parts", str(tmp_path / "from_parts"))
    assert result.rows == 6
    assert ids(index_search(result.index, "white shoes", model=embedder)) == ids(expected)
    assert index_search(index, "white shoes", model=embedder) == expected  # what failed changed nothing


def test_a_catalogue_of_fewer_products_than_parts_is_indexed_too(embedder, catalogue, tmp_path):
    for shard in range(8):
        embed(embedder, catalogue, tmp_path / "parts", shard=shard, shards=8)
    assert index_build(embedder, tmp_path / "parts", str(tmp_path / "index")).rows == 6


def test_shards_of_another_model_version_are_refused(embedder, catalogue, tmp_path):
    rows = pq.read_table(catalogue)
    rows = rows.append_column(EMBEDDING, [[[1.0, 0.0]] * 6]).replace_schema_metadata(made_by("title_letters", "old"))
    pq.write_table(rows, tmp_path / "part.parquet")
    with pytest.raises(DataError, match="were made by title_letters version old, not by"):
        index_build(embedder, tmp_path / "part.parquet", str(tmp_path / "index"))


def test_a_catalogue_that_cannot_be_indexed_is_refused_and_the_old_index_stays(index, embedder, catalogue, tmp_path):
    empty = tmp_path / "empty.parquet"
    pq.write_table(pq.read_table(catalogue).slice(0, 0), empty)
    twice = tmp_path / "twice"
    twice.mkdir()
    for name in ("a", "b"):
        pq.write_table(pq.read_table(catalogue), twice / f"{name}.parquet")
    bare = tmp_path / "bare.parquet"
    pq.write_table(pq.read_table(catalogue).drop_columns(["title"]), bare)
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    for source, kind, problem in (
        (empty, DataError, r"Catalogue .*empty\.parquet is empty"),
        (twice, DataError, "product_id 'p0' is given twice"),
        (bare, DataError, "not a canonical catalogue table: column title"),
        (nothing, UsageError, r"holds no \.parquet file"),
        (tmp_path / "absent.parquet", UsageError, "does not exist"),
    ):
        with pytest.raises(kind, match=problem):
            index_build(embedder, source, index)
        if source != twice:
            with pytest.raises(kind, match=problem):
                index_add(index, embedder, source)
    assert len(index_search(index, "acme").hits) == 6


def test_a_family_that_does_not_read_products_is_refused(catalogue, tmp_path):
    folder = tmp_path / "intents"
    folder.mkdir()
    write_manifest(folder, family="intent_classifier")
    with pytest.raises(UsageError, match="intent_classifier cannot embed products: it reads text"):
        index_build(str(folder), catalogue, str(tmp_path / "index"))


def test_a_query_without_words_or_without_the_model_it_needs_is_refused(index, embedder):
    with pytest.raises(UsageError, match="The query is empty"):
        index_search(index, "  ", model=embedder)
    with pytest.raises(UsageError, match="A vector search needs the model that built the index"):
        index_search(index, "shirt", mode="vector")
    with pytest.raises(UsageError, match="no search mode 'fuzzy'"):
        index_search(index, "shirt", model=embedder, mode="fuzzy")
    with pytest.raises(ArtifactError, match="is not an index"):
        index_search("nowhere", "shirt")
