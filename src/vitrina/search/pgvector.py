"""The engine for a shop that outgrows one machine: PostgreSQL with pgvector, one schema an index.

It ranks as the embedded engine does: cosines from an HNSW index of half floats, BM25 from a table of the same tokens.
A write is one transaction, so every search sees one state; a rebuild fills a second schema and renames it at the end.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import psycopg
from pgvector import HalfVector
from psycopg import sql
from psycopg.rows import dict_row

from vitrina.search import pgvector_schema as schema
from vitrina.search.engine import (
    KEPT,
    Change,
    Entries,
    Facts,
    Filters,
    Hit,
    Mode,
    Origin,
    Progress,
    check_version,
    checked,
    chosen_mode,
    query_vector,
)
from vitrina.search.fusion import fused, top
from vitrina.search.lexical import K1, B, query_weights
from vitrina.search.pgvector_schema import Condition, Location
from vitrina.search.ranking import FINALISTS, POOL

ENGINE = "pgvector"
EFFORT = 200
"""Candidates that a walk through the graph keeps (`hnsw.ef_search`)."""

Scores = dict[int, float]
"""Row → score, best first."""


class PgvectorIndex:
    """An index in a database; see `vitrina.search.engine.Index`."""

    def __init__(self, location: str, *, version: str | None = None) -> None:
        """Connect.

        Raises:
            ServiceError: no such database. ArtifactError: no index there, or one of another model version.
        """
        self._at = Location.of(location)
        self._lock = threading.Lock()
        self._connection: psycopg.Connection | None = None
        self._facts = self._read_facts()
        check_version(self._facts, version, str(self._at))

    @property
    def facts(self) -> Facts:
        return self._facts

    def is_current(self) -> bool:
        return self._read_facts().generation == self._facts.generation

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def search(
        self,
        text: str | None = None,
        vector: np.ndarray | None = None,
        *,
        k: int = 10,
        filters: Filters | None = None,
        mode: Mode | None = None,
    ) -> list[Hit]:
        mode = chosen_mode(mode, text, vector, k)
        query = None if mode == "lexical" else query_vector(vector, self._facts.dimension)
        condition = schema.condition(filters or Filters())
        with self._transaction(self._facts.version) as cursor:
            if query is None:
                found = self._by_words(cursor, str(text), k, condition)
            elif mode == "vector":
                found = self._by_vector(cursor, query, k, condition)
            else:
                found = self._by_both(cursor, str(text), query, k, condition)
            return self._hits(cursor, found)

    def add(self, entries: Iterable[Entries], progress: Progress | None = None) -> Change:
        seen: set[str] = set()
        replaced = 0
        with self._transaction(self._facts.version, writing=True) as cursor:
            for piece in entries:
                entry = checked(piece, self._facts.dimension, seen)
                replaced += schema.delete(cursor, self._at, entry.rows.column("product_id").to_pylist())
                schema.insert(cursor, self._at, entry)
                if progress is not None:
                    progress("indexing", len(seen))
        self._facts = self._read_facts()
        return Change(added=len(seen) - replaced, replaced=replaced)

    def remove(self, ids: Iterable[str]) -> Change:
        asked = sorted(set(ids))
        with self._transaction(self._facts.version, writing=True) as cursor:
            cursor.execute(self._at.sql("SELECT product_id FROM {products} WHERE product_id = ANY(%s)"), [asked])
            known = {row["product_id"] for row in cursor}
            schema.delete(cursor, self._at, sorted(known))
        self._facts = self._read_facts()
        return Change(removed=len(known), unknown=tuple(each for each in asked if each not in known))

    def _by_vector(self, cursor: Any, query: np.ndarray, k: int, condition: Condition) -> Scores:
        """The nearest rows that pass, by their cosines."""
        cursor.execute(f"SET LOCAL hnsw.ef_search = {min(max(EFFORT, 2 * k), 1000)}")
        cursor.execute("SET LOCAL hnsw.iterative_scan = strict_order")
        found = self._nearest(cursor, query, k, condition)
        if len(found) < k:  # the walk through the graph ends before the last row that passes
            cursor.execute("SET LOCAL enable_indexscan = off")
            found = self._nearest(cursor, query, k, condition)
            cursor.execute("SET LOCAL enable_indexscan = on")
        return found

    def _nearest(self, cursor: Any, query: np.ndarray, k: int, condition: Condition) -> Scores:
        statement = """
            SELECT row, 1 - (embedding <=> %s) AS score FROM {products}
            WHERE {condition} ORDER BY embedding <=> %s LIMIT %s"""
        asked = HalfVector(query)
        cursor.execute(self._at.sql(statement, condition=condition.text), [asked, *condition.values, asked, k])
        return {row["row"]: row["score"] for row in cursor}

    def _by_words(self, cursor: Any, text: str, k: int, condition: Condition) -> Scores:
        """The rows that pass and match best, by BM25."""
        cursor.execute(self._at.sql("SELECT count(*) AS rows, coalesce(avg(length), 1) AS average FROM {products}"))
        facts = cursor.fetchone()
        weights = query_weights(text, facts["rows"], lambda tokens: self._frequencies(cursor, tokens))
        statement = """
            SELECT row, sum(weight * (%s + 1) * count / (count + %s * (1 - %s + %s * length / %s))) AS score
            FROM unnest(%s::bigint[], %s::float8[]) AS query(token, weight) JOIN {postings} USING (token)
            JOIN {products} USING (row) WHERE {condition} GROUP BY row ORDER BY score DESC, row LIMIT %s"""
        numbers = [K1, K1, B, B, float(facts["average"])]
        values = [*numbers, list(weights), list(weights.values()), *condition.values, k]
        cursor.execute(self._at.sql(statement, condition=condition.text), values)
        return {row["row"]: row["score"] for row in cursor}

    def _by_both(self, cursor: Any, text: str, query: np.ndarray, k: int, condition: Condition) -> Scores:
        """The best of what either side proposes, each candidate scored by both."""
        near = self._by_vector(cursor, query, max(k, POOL), condition)
        worded = self._by_words(cursor, text, max(k, FINALISTS), condition)
        best = max(worded.values(), default=0.0)
        rows = sorted({*near, *worded})
        among = Condition(sql.SQL("row = ANY(%s)"), [rows])
        cursor.execute(
            self._at.sql("SELECT row, 1 - (embedding <=> %s) AS score FROM {products} WHERE row = ANY(%s)"),
            [HalfVector(query), rows],
        )
        near = {row["row"]: row["score"] for row in cursor}
        worded = self._by_words(cursor, text, len(rows), among)
        cosines, lexical = (np.array([side.get(row, 0.0) for row in rows]) for side in (near, worded))
        scores = fused(cosines, lexical, best)
        return {rows[place]: float(scores[place]) for place in top(scores, k)}

    def _frequencies(self, cursor: Any, tokens: Sequence[int]) -> list[int]:
        statement = "SELECT token, count(*) AS rows FROM {postings} WHERE token = ANY(%s) GROUP BY token"
        cursor.execute(self._at.sql(statement), [list(tokens)])
        found = {row["token"]: row["rows"] for row in cursor}
        return [found.get(token, 0) for token in tokens]

    def _hits(self, cursor: Any, scores: Scores) -> list[Hit]:
        """The rows of `scores` in its order."""
        names = sql.SQL(", ").join(map(sql.Identifier, KEPT))
        cursor.execute(
            self._at.sql("SELECT row, {names} FROM {products} WHERE row = ANY(%s)", names=names), [[*scores]]
        )
        found = {row.pop("row"): row for row in cursor}
        return [Hit(**found[row], score=float(score)) for row, score in scores.items()]

    def _read_facts(self) -> Facts:
        with self._transaction(version=None) as cursor:
            cursor.execute(self._at.sql("SELECT model, version, dimension, generation FROM {facts}"))
            facts = cursor.fetchone()
            cursor.execute(self._at.sql("SELECT count(*) AS rows FROM {products}"))
            return Facts(engine=ENGINE, **facts, **cursor.fetchone())

    @contextmanager
    def _transaction(self, version: str | None, writing: bool = False) -> Iterator[Any]:
        """One transaction on a connection that is made anew where the last one was lost; None: any model version."""
        with self._lock, schema.database_errors(self._at):
            if self._connection is None or self._connection.closed:
                self._connection = schema.connected(self._at)
            with self._connection.transaction(), self._connection.cursor(row_factory=dict_row) as cursor:
                schema.begin(cursor, self._at, version, writing)
                yield cursor
                if writing:
                    cursor.execute(self._at.sql("UPDATE {facts} SET generation = generation + 1"))


def build_pgvector(
    location: str, entries: Iterable[Entries], origin: Origin, progress: Progress | None = None
) -> Facts:
    """Build an index, or replace the one that is there; see `build_index`."""
    target = Location.of(location)
    staged = Location(target.address, f"{target.name}_new")
    seen: set[str] = set()
    with schema.database_errors(target), schema.connected(target) as connection, connection.transaction():
        cursor = connection.cursor(row_factory=dict_row)
        schema.create(cursor, staged, origin, target)
        for piece in entries:
            schema.insert(cursor, staged, checked(piece, origin.dimension, seen))
            if progress is not None:
                progress("reading", len(seen))
        if progress is not None:
            progress("indexing", len(seen))
        schema.finish(cursor, staged, target)
    opened = PgvectorIndex(location)
    opened.close()
    return opened.facts
