"""A shop's values become typed ones, or are marked; nothing is guessed."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from vitrina.contracts.columns import Kind
from vitrina.data.coercion import coerce


@pytest.mark.parametrize(
    ("kind", "given", "typed"),
    [
        ("string", "  olé ", "olé"),
        ("string", 17, "17"),
        ("string", 17.0, "17"),
        ("string", "😀", "😀"),
        ("float", "12.50", 12.5),
        ("float", "12,5", 12.5),
        ("float", "1.299,00", 1299.0),
        ("float", 3, 3.0),
        ("integer", "4.0", 4),
        ("boolean", "Sí", True),
        ("boolean", 0, False),
        ("timestamp", "2025-03-01", pd.Timestamp("2025-03-01", tz="UTC")),
        ("timestamp", "2025-03-01T10:00:00+02:00", pd.Timestamp("2025-03-01 08:00", tz="UTC")),
        ("timestamp", 1740787200, pd.Timestamp("2025-03-01", tz="UTC")),
        ("timestamp", "1740787200000", pd.Timestamp("2025-03-01", tz="UTC")),
        ("bytes", b"\xff\xd8", b"\xff\xd8"),
        ("attributes", {"colour": "red", "size": 4, "gap": None}, [("colour", "red"), ("size", "4")]),
        ("attributes", '{"colour": "red"}', [("colour", "red")]),
    ],
)
def test_a_value_is_read_as_its_type(kind: Kind, given: Any, typed: Any) -> None:
    values, unreadable = coerce(pd.Series([given, None], dtype=object), kind)
    assert values.iloc[0] == typed
    assert pd.isna(values.iloc[1])
    assert not unreadable.any()


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("string", "caf\ufffd"),
        ("string", ["a", "list"]),
        ("float", "1,299"),  # a thousand or one and a bit?
        ("float", "free"),
        ("float", "inf"),
        ("float", True),
        ("integer", "4.5"),
        ("boolean", "maybe"),
        ("timestamp", "3/4/2025"),  # March or April?
        ("timestamp", "soon"),
        ("bytes", "text"),
        ("attributes", "colour: red"),
    ],
)
def test_a_value_that_is_not_certain_is_marked(kind: Kind, given: Any) -> None:
    values, unreadable = coerce(pd.Series([given], dtype=object), kind)
    assert unreadable.tolist() == [True]
    assert pd.isna(values.iloc[0])


@pytest.mark.parametrize("kind", ["string", "float", "integer", "boolean", "timestamp", "attributes"])
def test_blank_cells_are_empty_and_not_wrong(kind: Kind) -> None:
    values, unreadable = coerce(pd.Series(["", "  ", None, float("nan")], dtype=object), kind)
    assert values.isna().all()
    assert not unreadable.any()
