"""The contracts are consistent in themselves."""

from __future__ import annotations

import pytest

from vitrina.contracts import TABLES, table_named
from vitrina.contracts.columns import Between, Table
from vitrina.errors import UsageError

EVERY = pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))


@EVERY
def test_keys_and_conditions_name_columns_of_the_table(table: Table) -> None:
    assert set(table.key) <= set(table.names)
    conditions = [
        rule.when[0]
        for column in table.columns
        for rule in column.rules
        if isinstance(rule, Between) and rule.when is not None
    ]
    assert set(conditions) <= set(table.names)


@EVERY
def test_references_point_to_the_key_of_another_table(table: Table) -> None:
    for reference in table.references:
        assert reference.column in table.names
        assert TABLES[reference.table].key == (reference.target,)


@EVERY
def test_key_columns_are_never_empty(table: Table) -> None:
    assert not [column.name for column in table.columns if column.name in table.key and column.nullable]


def test_an_unknown_table_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no table 'orders'.*catalogue, images, interactions, reviews, messages"):
        table_named("orders")
