"""The tables of an index in PostgreSQL: where they are, how they are made, filled and locked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from psycopg import sql

from vitrina.contracts.catalogue import PATH_SEPARATOR, category_path
from vitrina.errors import ArtifactError, ServiceError, UsageError
from vitrina.search.engine import Entries, Filters, Origin
from vitrina.search.lexical import postings
from vitrina.search.rows import stored

PATIENCE = "30s"
"""A writer waits so long for another one."""

TABLES = """
CREATE TABLE {facts} (model text, version text, dimension int, generation bigint);
CREATE TABLE {products} (
  row bigint PRIMARY KEY, product_id text UNIQUE NOT NULL, title text NOT NULL, category text, path text,
  price float8, currency text, language text, length real NOT NULL, embedding halfvec({dimension}) NOT NULL
);
CREATE TABLE {postings} (token bigint NOT NULL, row bigint NOT NULL, count smallint NOT NULL);
"""
INDEXES = """
CREATE INDEX ON {products} USING hnsw (embedding halfvec_cosine_ops);
CREATE INDEX ON {products} (path text_pattern_ops);
CREATE INDEX ON {products} (price);
CREATE INDEX ON {postings} (token) INCLUDE (row, count);
CREATE INDEX ON {postings} (row);
ANALYZE {products};
ANALYZE {postings};
"""


@dataclass(frozen=True)
class Location:
    """A schema of a database. As text it names no password."""

    address: str = field(repr=False)
    name: str

    @classmethod
    def of(cls, location: str) -> Location:
        """Read `postgresql://user@host/database#schema`; the schema is `vitrina` where none is named.

        Raises:
            UsageError: a schema that is not a plain lower-case name.
        """
        address, _, name = location.partition("#")
        name = name or "vitrina"
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,50}", name):
            raise UsageError(f"'{name}' cannot name an index: use lower-case letters, digits and _.")
        return cls(address, name)

    def __str__(self) -> str:
        return f"{re.sub(r'//[^/]*@', '//', self.address).partition('?')[0]}#{self.name}"

    def sql(self, statement: str, **parts: sql.Composable) -> sql.Composed:
        """The statement with its tables, `{facts}`, `{products}` and `{postings}`, and other parts filled in."""
        tables = {name: sql.Identifier(self.name, name) for name in ("facts", "products", "postings")}
        return sql.SQL(statement).format(**tables, **parts)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Condition:
    """What a row must be, as SQL with its values."""

    text: sql.Composable
    values: list[Any]


def condition(filters: Filters) -> Condition:
    """The filters as SQL; a row that does not state a value fails."""
    parts: list[tuple[str, list[Any]]] = [("TRUE", [])]
    if filters.category is not None:
        path = category_path(filters.category)
        parts.append(("(path = %s OR path LIKE %s)", [path, _like(path + PATH_SEPARATOR)]))
    if filters.language is not None:
        language = filters.language.lower()
        parts.append(("(lower(language) = %s OR lower(language) LIKE %s)", [language, _like(f"{language}-")]))
    if filters.currency is not None:
        parts.append(("currency = %s", [filters.currency.upper()]))
    if filters.min_price is not None:
        parts.append(("price >= %s", [filters.min_price]))
    if filters.max_price is not None:
        parts.append(("price <= %s", [filters.max_price]))
    return Condition(sql.SQL(" AND ".join(text for text, _ in parts)), [each for _, values in parts for each in values])


def _like(prefix: str) -> str:
    return re.sub(r"([%_\\])", r"\\\1", prefix) + "%"


def connected(at: Location) -> psycopg.Connection:
    """A connection that knows the types of pgvector."""
    connection = psycopg.connect(at.address, connect_timeout=10, autocommit=True)
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(connection)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def database_errors(at: Location) -> Iterator[None]:
    """Turn what the caller can mend into one sentence without the password."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise ServiceError(f"Another process is writing to index {at}; try again when it is done.") from error
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.InsufficientPrivilege) as error:
        raise ServiceError(f"The database of index {at} refuses: {str(error).splitlines()[0]}.") from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise ArtifactError(f"{at} holds no index; build one with `vitrina index build`.") from error
    except psycopg.OperationalError as error:
        raise ServiceError(f"The database of index {at} does not answer.") from error


def begin(cursor: Any, at: Location, version: str | None, writing: bool) -> None:
    """Fix the state that this transaction sees; with `writing` be the only writer until it ends.

    The lock on `facts` comes before the first snapshot: a rebuild, which takes it first too, is then seen whole or not.

    Raises:
        ArtifactError: the index is of another model version than `version` by now.
    """
    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
    cursor.execute(at.sql(f"LOCK TABLE {{facts}} IN {'SHARE ROW EXCLUSIVE' if writing else 'ACCESS SHARE'} MODE"))
    if version is not None:
        cursor.execute(at.sql("SELECT version FROM {facts}"))
        if cursor.fetchone()["version"] != version:
            raise ArtifactError(f"Index {at} was built anew by another model version; open it again.")


def create(cursor: Any, staged: Location, origin: Origin, target: Location) -> None:
    """Empty tables in the schema `staged`; until the transaction ends, nobody else writes to `target`."""
    cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"vitrina.{target.name}"])
    generation = 0
    if _exists(cursor, target):
        cursor.execute(target.sql("LOCK TABLE {facts} IN SHARE ROW EXCLUSIVE MODE"))
        cursor.execute(target.sql("SELECT generation FROM {facts}"))
        generation = cursor.fetchone()["generation"]
    name = sql.Identifier(staged.name)
    cursor.execute(sql.SQL("DROP SCHEMA IF EXISTS {0} CASCADE; CREATE SCHEMA {0}").format(name))
    cursor.execute(staged.sql(TABLES, dimension=sql.Literal(origin.dimension)))
    values = [origin.model, origin.version, origin.dimension, generation + 1]
    cursor.execute(staged.sql("INSERT INTO {facts} VALUES (%s, %s, %s, %s)"), values)


def finish(cursor: Any, staged: Location, target: Location) -> None:
    """Index the tables of `staged` and put them in the place of `target`, once nobody reads there any more."""
    cursor.execute(staged.sql(INDEXES))
    if _exists(cursor, target):
        cursor.execute(target.sql("LOCK TABLE {facts} IN ACCESS EXCLUSIVE MODE"))
    new, old = sql.Identifier(staged.name), sql.Identifier(target.name)
    cursor.execute(sql.SQL("DROP SCHEMA IF EXISTS {0} CASCADE; ALTER SCHEMA {1} RENAME TO {0}").format(old, new))


def _exists(cursor: Any, at: Location) -> bool:
    cursor.execute("SELECT to_regclass(%s) AS found", [f"{at.name}.facts"])
    return cursor.fetchone()["found"] is not None


def insert(cursor: Any, at: Location, entries: Entries) -> None:
    """Append checked entries whose ids are not there."""
    cursor.execute(at.sql("SELECT coalesce(max(row), -1) + 1 AS next FROM {products}"))
    first = cursor.fetchone()["next"]
    counts: dict[tuple[int, int], int] = {}
    tokens, rows = postings(entries.texts)
    lengths = [0] * len(entries.texts)
    for token, row in zip(tokens.tolist(), rows.tolist(), strict=True):
        counts[token, first + row] = counts.get((token, first + row), 0) + 1
        lengths[row] += 1
    names = "row, product_id, title, category, path, price, currency, language, length, embedding"
    with cursor.copy(at.sql(f"COPY {{products}} ({names}) FROM STDIN")) as copy:
        for row, known in enumerate(stored(entries.rows).to_pylist()):
            category = known["category"] or None
            price = known["price"] if known["price"] == known["price"] else None
            values = [known["product_id"], known["title"], category, category and category_path(category), price]
            values += [known["currency"] or None, known["language"] or None, lengths[row]]
            copy.write_row([first + row, *values, HalfVector(entries.vectors[row])])
    with cursor.copy(at.sql("COPY {postings} (token, row, count) FROM STDIN")) as copy:
        for (token, row), count in counts.items():
            copy.write_row((token, row, min(count, 255)))


def delete(cursor: Any, at: Location, ids: Sequence[str]) -> int:
    """Delete products by id; returns how many there were."""
    cursor.execute(at.sql("DELETE FROM {products} WHERE product_id = ANY(%s) RETURNING row"), [list(ids)])
    rows = [row["row"] for row in cursor]
    cursor.execute(at.sql("DELETE FROM {postings} WHERE row = ANY(%s)"), [rows])
    return len(rows)
