"""What only the engine in PostgreSQL does, on a real server."""

from __future__ import annotations

import threading

import psycopg
import pytest
from search_support import Shop, build

from vitrina.errors import ArtifactError, DataError, ServiceError, UsageError
from vitrina.search import Filters, open_index, pgvector_schema
from vitrina.search.pgvector_schema import Location

pytest.importorskip("pgvector")


def ids(hits):
    return [hit.product_id for hit in hits]


def test_both_engines_give_the_same_answers(postgres_with_pgvector, tmp_path, shop: Shop, query):
    at = f"{postgres_with_pgvector}#same"
    for location in (tmp_path / "index", at):
        build(location, shop.entries(range(400)))
        index = open_index(location)
        index.add([shop.entries(range(390, 450))])
        index.remove(["p3", "p402"])
    folder, database = open_index(tmp_path / "index"), open_index(at)
    for text, vector, filters in (
        (None, query, None),
        ("blu shoe modle 41", None, None),
        ("green polo 37", query, Filters(category="clothing", max_price=60)),
    ):
        here = folder.search(text, vector, k=20, filters=filters)
        there = database.search(text, vector, k=20, filters=filters)
        # Removed rows still count in the folder's document frequencies until they are merged away.
        assert len(set(ids(here)) & set(ids(there))) >= 19
        assert ids(here)[:3] == ids(there)[:3]
        assert [hit.score for hit in here] == pytest.approx([hit.score for hit in there], rel=0.02)


def test_several_indexes_live_in_one_database(postgres_with_pgvector, shop: Shop, query):
    build(f"{postgres_with_pgvector}#first", shop.entries(range(10)))
    build(f"{postgres_with_pgvector}#second", shop.entries(range(100, 105)))
    assert open_index(f"{postgres_with_pgvector}#first").facts.rows == 10
    assert open_index(f"{postgres_with_pgvector}#second").facts.rows == 5


def test_a_build_that_fails_leaves_the_old_index_and_no_staging(postgres_with_pgvector, shop: Shop):
    at = f"{postgres_with_pgvector}#kept"
    build(at, shop.entries(range(10)))
    with pytest.raises(DataError):
        build(at, shop.entries([1, 1]))
    assert open_index(at).facts.rows == 10
    with psycopg.connect(postgres_with_pgvector) as connection:
        found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'kept%'").fetchall()
    assert found == [("kept",)]


def test_a_second_writer_is_refused_while_the_first_goes_on_and_searching_is_not(
    postgres_with_pgvector, shop: Shop, query, monkeypatch
):
    at = f"{postgres_with_pgvector}#busy"
    build(at, shop.entries(range(10)))
    monkeypatch.setattr(pgvector_schema, "PATIENCE", "100ms")
    entered, go_on = threading.Event(), threading.Event()

    def slow():
        yield shop.entries([100])
        entered.set()
        go_on.wait(30)
        yield shop.entries([101])

    writer = threading.Thread(target=lambda: open_index(at).add(slow()))
    writer.start()
    assert entered.wait(30)
    try:
        other = open_index(at)
        for write in (lambda: other.remove(["p1"]), lambda: build(at, shop.entries(range(3)))):
            with pytest.raises(ServiceError, match="Another process is writing to index postgresql://127"):
                write()
        assert len(other.search(vector=query, k=50)) == 10
    finally:
        go_on.set()
        writer.join()
    assert open_index(at).facts.rows == 12


def test_a_connection_that_was_cut_is_made_anew(postgres_with_pgvector, shop: Shop, query):
    at = f"{postgres_with_pgvector}#cut"
    build(at, shop.entries(range(10)))
    index = open_index(at)
    with psycopg.connect(postgres_with_pgvector, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    with pytest.raises(ServiceError, match="The database of index .*#cut does not answer"):
        index.search(vector=query)
    assert len(index.search(vector=query)) == 10


def test_a_database_that_is_not_there_is_one_sentence_without_the_password():
    with pytest.raises(
        ServiceError, match=r"The database of index postgresql://127\.0\.0\.1:1/shop#vitrina does not answer"
    ) as told:
        open_index("postgresql://me:secret@127.0.0.1:1/shop?connect_timeout=1")
    assert "secret" not in str(told.value)
    assert "secret" not in repr(Location.of("postgresql://me:secret@db/shop#x"))


def test_an_index_that_somebody_dropped_is_named(postgres_with_pgvector, shop: Shop, query):
    at = f"{postgres_with_pgvector}#dropped"
    build(at, shop.entries(range(10)))
    index = open_index(at)
    with psycopg.connect(postgres_with_pgvector, autocommit=True) as connection:
        connection.execute("DROP SCHEMA dropped CASCADE")
    with pytest.raises(ArtifactError, match="holds no index"):
        index.search(vector=query)


@pytest.mark.parametrize("name", ["Upper", "1st", "a;drop", 'a"b', "x" * 60])
def test_a_schema_that_is_no_plain_name_is_refused(name):
    with pytest.raises(UsageError, match="cannot name an index"):
        open_index(f"postgresql://db/shop#{name}")


def test_searching_an_index_rebuilt_by_another_model_is_refused(postgres_with_pgvector, shop: Shop, query):
    at = f"{postgres_with_pgvector}#moved"
    build(at, shop.entries(range(10)))
    index = open_index(at, version="v1")
    build(at, shop.entries(range(10)), version="v2")
    with pytest.raises(ArtifactError, match="built anew by another model version"):
        index.search(vector=query)
