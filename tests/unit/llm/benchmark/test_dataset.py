"""The prompts that a benchmark asks."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from vitrina.contracts import TABLES
from vitrina.data.tables import write_table
from vitrina.errors import DataError
from vitrina.llm.benchmark.dataset import read_products, write_prompts
from vitrina.llm.benchmark.load import Load


def catalogue(path: Path, rows: int) -> Path:
    frame = pd.DataFrame(
        {
            "product_id": [f"p{number}" for number in range(rows)],
            "title": [f"Red shirt number {number}" for number in range(rows)],
            "attributes": pd.Series([[("colour", "red")] if i % 2 else None for i in range(rows)], dtype=object),
            "language": ["es"] * rows,
            "price": [9.5 if number % 3 else None for number in range(rows)],
        }
    )
    write_table(frame, TABLES["catalogue"], path)
    return path


def test_levels_ask_about_different_products_as_the_assistant_does(tmp_path):
    products = read_products(catalogue(tmp_path / "catalogue.parquet", 300))
    load = Load(levels=(1, 2), requests=10, warmup=1)
    asked = []
    for level in (0, 1):
        rows = write_prompts(tmp_path / "prompts.jsonl", products, load, level)
        lines = [json.loads(line)["messages"] for line in (tmp_path / "prompts.jsonl").read_text().splitlines()]
        assert len(lines) == rows == load.rows_of(load.steps[level])
        assert [message["role"] for message in lines[0]] == ["system", "user"]
        asked.append({line[1]["content"] for line in lines})
    assert not asked[0] & asked[1]
    assert all('<data name="product">' in text for text in asked[0])


def test_a_small_catalogue_begins_again(tmp_path):
    products = read_products(catalogue(tmp_path / "catalogue.parquet", 3))
    write_prompts(tmp_path / "prompts.jsonl", products, Load(requests=5, warmup=0), 0)
    assert len(set((tmp_path / "prompts.jsonl").read_text().splitlines())) == 3


def test_the_sample_store_stands_in_for_a_catalogue():
    products = read_products(None)
    assert len(products) == 2000
    assert {product["language"] for product in products} == {"es", "en"}
    assert all(isinstance(product["attributes"], dict) for product in products)


def test_a_missing_or_empty_catalogue_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.parquet"):
        read_products(tmp_path / "nothing.parquet")
    with pytest.raises(DataError, match="no products"):
        read_products(catalogue(tmp_path / "empty.parquet", 0))
