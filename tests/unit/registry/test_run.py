from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from vitrina.errors import ArtifactError
from vitrina.families import catalog
from vitrina.registry.run import input_example


def spec(**changes: tuple[str, ...]):
    return replace(catalog.get("intent_classifier"), inputs=("title",), **changes)


def test_the_example_is_taken_from_the_rows_that_know_most(tmp_path: Path) -> None:
    frame = {"title": ["a", "b", "c"], "price": [None, 3.0, 4.0], "brand": [None, None, "Alba"], "colour": [None] * 3}
    pd.DataFrame(frame).to_parquet(tmp_path / "reference.parquet")
    example = input_example(spec(optional_inputs=("price", "brand", "colour")), tmp_path)
    assert list(example.columns) == ["title", "price", "brand"]
    assert example["title"].tolist() == ["c", "b"]


def test_what_mlflow_has_no_type_for_stays_out(tmp_path: Path) -> None:
    pairs = [[("colour", "red")], [("colour", "blue")]]
    pd.DataFrame({"title": ["a", "b"], "attributes": pairs}).to_parquet(tmp_path / "reference.parquet")
    assert list(input_example(spec(optional_inputs=("attributes",)), tmp_path).columns) == ["title"]


def test_a_reference_without_an_input_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"text": ["a", "b"]}).to_parquet(tmp_path / "reference.parquet")
    with pytest.raises(ArtifactError, match="no column title"):
        input_example(spec(), tmp_path)
