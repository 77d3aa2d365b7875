"""The vocabulary of table contracts: columns, rules, keys, references. Plain data, no pandas.

`data.rules` turns each rule into both ingest's check and the Great Expectations suite, so the two cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["string", "float", "integer", "boolean", "timestamp", "bytes", "attributes"]


@dataclass(frozen=True)
class Between:
    """Both ends included; ISO dates for timestamps. `when` (column, value) limits it to the rows with that value."""

    minimum: float | str
    maximum: float | str
    when: tuple[str, str] | None = None

    def __str__(self) -> str:
        condition = f" where {self.when[0]} is {self.when[1]}" if self.when else ""
        return f"between {self.minimum} and {self.maximum}{condition}"


@dataclass(frozen=True)
class OneOf:
    """One of a closed list of strings."""

    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"one of {', '.join(value or 'empty' for value in self.values)}"


@dataclass(frozen=True)
class Matches:
    """A regular expression, anchored by its author; `meaning` is what a person is told."""

    pattern: str
    meaning: str

    def __str__(self) -> str:
        return self.meaning


@dataclass(frozen=True)
class Length:
    """Number of characters, both ends included."""

    minimum: int
    maximum: int

    def __str__(self) -> str:
        return f"{self.minimum} to {self.maximum} characters long"


Rule = Between | OneOf | Matches | Length


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        default: fills an absent column and empty cells; None: there is no default.
        nullable: empty cells are allowed, and the whole column may be absent.
    """

    name: str
    kind: Kind
    rules: tuple[Rule, ...] = ()
    nullable: bool = False
    default: str | None = None

    @property
    def required(self) -> bool:
        """Whether a source must have this column."""
        return not self.nullable and self.default is None


@dataclass(frozen=True)
class Reference:
    """At least the share `at_least` of the values of `column` stand in `target` of `table`."""

    column: str
    table: str
    target: str
    at_least: float

    def __str__(self) -> str:
        return f"{self.at_least:.0%} known in {self.table}.{self.target}"


@dataclass(frozen=True)
class Table:
    """One canonical table; no two rows have the same values in all the columns of `key` (none: rows may repeat)."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    references: tuple[Reference, ...] = ()

    @property
    def names(self) -> list[str]:
        """Column names, in file order."""
        return [column.name for column in self.columns]


IDENTIFIER = Length(1, 200)
UNDETERMINED = "und"
"""BCP 47: nobody stated the language."""

LANGUAGE = Column(
    "language",
    "string",
    (Matches(r"^[a-z]{2,3}(?:-[A-Z]{2})?\Z", "a language code such as es, en or pt-BR"),),
    default=UNDETERMINED,
)
SANE_TIME = Between("1990-01-01", "2100-01-01")
