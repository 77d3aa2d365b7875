"""Splits by features, references together, and what the controls read in a text."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pytest

from tests.describer_models import furniture
from vitrina.errors import DataError
from vitrina.families.product_describer import controls, data
from vitrina.families.product_describer.configuration import Options


def prepared(catalogue: pd.DataFrame, folder: Path) -> dict[str, pd.DataFrame]:
    catalogue.to_parquet(folder / "catalogue.parquet", index=False)
    data.prepare({"catalogue": folder / "catalogue.parquet"}, folder, Options(), 7)
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in data.SPLITS}


def test_equal_features_are_never_on_two_sides_and_keep_all_their_references(tmp_path: Path) -> None:
    once = furniture(200)
    again = once.assign(description=once["description"] + " Again.", product_id=once["product_id"] + "b")
    parts = prepared(pd.concat([once, again], ignore_index=True), tmp_path)
    sides = [set(part["features"]) for part in parts.values()]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    assert sum(map(len, sides)) == 200
    assert parts["test"]["references"].map(len).eq(2).all()
    assert len(parts["train"]) == 2 * len(sides[0])
    assert all(part["row_id"].is_unique for part in parts.values())


def test_products_without_description_or_with_contradictions_are_left_out(tmp_path: Path) -> None:
    catalogue = furniture(60)
    catalogue.loc[0, "description"] = None
    catalogue.at[1, "attributes"] = [("colour", "red"), ("Colour", "blue")]
    parts = prepared(catalogue, tmp_path)
    assert sum(len(part) for part in parts.values()) == 58


def test_a_catalogue_without_descriptions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="description"):
        prepared(furniture(10).drop(columns="description"), tmp_path)
    with pytest.raises(DataError, match="No product"):
        prepared(furniture(10).assign(description=None), tmp_path)


def test_a_file_is_read_with_its_descriptions_as_references(tmp_path: Path) -> None:
    furniture(5).drop(columns="attributes").to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    rows = data.read_examples(tmp_path / "rows.jsonl", "test")
    assert [len(each) for each in rows["references"]] == [1] * 5
    assert rows["row_id"].is_unique


def test_a_row_shows_only_the_controls_that_its_text_gives() -> None:
    learnt = {"length_bounds": [5, 10]}
    shown = data.shown_controls("Kids love this blue table!", ["blue"], learnt, 1.0, random.Random(1))
    assert shown[:3] == ["<length:short>", "<tone:enthusiastic>", "<audience:children>"]
    assert set(shown[3:]) <= {"<keyword> kids", "<keyword> love", "<keyword> table"}
    assert data.shown_controls("Kids love this blue table!", [], learnt, 0.0, random.Random(1)) == []


def test_controls_are_read_from_texts_in_both_languages() -> None:
    assert controls.tone_of("Ideal para regalar") == "enthusiastic"
    assert controls.tone_of("Para tu casa") == "friendly"
    assert controls.tone_of("Mesa de roble") == controls.NEUTRAL
    assert controls.audience_of("Ropa para niñas") == "children"
    assert controls.audience_of("Mesa") is None


def test_price_bands_are_thirds_of_the_training_prices_of_a_currency() -> None:
    bounds = controls.price_bounds([1, 2, 3, 4, 5, 6, 100, 200, 300, 0], ["EUR"] * 6 + ["USD"] * 4)
    assert [controls.price_band(price, "EUR", bounds) for price in (1, 3.5, 6)] == ["low", "middle", "high"]
    assert controls.price_band(6, "USD", bounds) == "low"
    assert controls.price_band(6, "GBP", bounds) is None
    assert controls.price_band(None, "EUR", bounds) is None
