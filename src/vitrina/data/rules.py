"""What each contract rule means: as a mask over pandas values, and as a Great Expectations expectation.

Both stand side by side here because they must agree; a test holds them together. Nulls break no rule but "not empty".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from vitrina.contracts.columns import Between, Column, Length, Matches, OneOf, Reference, Rule, Table

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

NOT_EMPTY = "not empty"


def broken(frame: pd.DataFrame, column: Column, rule: Rule) -> pd.Series:
    """True where a non-null value of `column` breaks `rule`."""
    values = frame[column.name]
    present = values.notna()
    match rule:
        case Between(when=when):
            minimum, maximum = _bounds(column, rule)
            wrong = ~values.between(minimum, maximum)
            if when is not None:
                wrong &= frame[when[0]] == when[1]
        case OneOf():
            wrong = ~values.isin(rule.values)
        case Matches():
            wrong = ~values.astype(str).str.contains(rule.pattern)
        case Length():
            wrong = ~values.astype(str).str.len().between(rule.minimum, rule.maximum)
    return present & wrong


def expectation(column: Column, rule: Rule) -> Expectation:
    """The same rule for Great Expectations; `meta` carries what a person is told."""
    from great_expectations import expectations as gxe
    from great_expectations.expectations.row_conditions import Column as ConditionColumn

    common: dict[str, Any] = {"column": column.name, "meta": meta(column.name, rule)}
    match rule:
        case Between(when=when):
            if when is not None:
                common["row_condition"] = ConditionColumn(when[0]) == when[1]
            minimum, maximum = _bounds(column, rule)
            return gxe.ExpectColumnValuesToBeBetween(min_value=minimum, max_value=maximum, **common)
        case OneOf():
            return gxe.ExpectColumnValuesToBeInSet(value_set=list(rule.values), **common)
        case Matches():
            return gxe.ExpectColumnValuesToMatchRegex(regex=rule.pattern, **common)
        case Length():
            bounds = {"min_value": rule.minimum, "max_value": rule.maximum}
            return gxe.ExpectColumnValueLengthsToBeBetween(**bounds, **common)


def table_expectations(table: Table) -> list[Expectation]:
    """Rows at all, a unique key, no empty cells where none are allowed."""
    from great_expectations import expectations as gxe

    rows = gxe.ExpectTableRowCountToBeBetween(min_value=1, meta=meta("", "at least one row"))
    filled: list[Expectation] = [
        gxe.ExpectColumnValuesToNotBeNull(column=column.name, meta=meta(column.name, NOT_EMPTY))
        for column in table.columns
        if not column.nullable
    ]
    return [rows, *filled, *_key(table)]


def _key(table: Table) -> list[Expectation]:
    from great_expectations import expectations as gxe

    told = meta(" + ".join(table.key), "unique")
    if not table.key:
        return []
    if len(table.key) == 1:
        return [gxe.ExpectColumnValuesToBeUnique(column=table.key[0], meta=told)]
    return [gxe.ExpectCompoundColumnsToBeUnique(column_list=list(table.key), ignore_row_if="never", meta=told)]


def reference_expectation(reference: Reference, known: list[str]) -> Expectation:
    """`known`: the values of the referenced column."""
    from great_expectations import expectations as gxe

    return gxe.ExpectColumnValuesToBeInSet(
        column=reference.column,
        value_set=known,
        mostly=reference.at_least,
        meta=meta(reference.column, reference),
    )


def meta(column: str, rule: object) -> dict[str, str]:
    """How an expectation names itself in reports."""
    return {"column": column, "rule": str(rule)}


def _bounds(column: Column, rule: Between) -> tuple[Any, Any]:
    if column.kind != "timestamp":
        return rule.minimum, rule.maximum
    return tuple(datetime.fromisoformat(str(end)).replace(tzinfo=UTC) for end in (rule.minimum, rule.maximum))  # type: ignore[return-value]
