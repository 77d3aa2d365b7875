"""What the tests of the product embedder's service share: a small catalogue and its index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vitrina.contracts import CATALOGUE
from vitrina.data.tables import write_table
from vitrina.jobs import index_build

CatalogueOf = Callable[[int], Path]


@pytest.fixture(scope="session")
def catalogue_of(tmp_path_factory: pytest.TempPathFactory) -> CatalogueOf:
    """Writes a canonical catalogue of so many products."""
    import pandas as pd

    def write(count: int) -> Path:
        colours, kinds = ["red", "blue", "green", "black"], ["shirt", "shoes", "bag"]
        rows = [
            {
                **dict.fromkeys(CATALOGUE.names),
                "product_id": f"p{n}",
                "title": f"{colours[n % 4]} {kinds[n % 3]} number {n}",
                "category": f"Shop > {kinds[n % 3]}",
                "price": float(n),
                "currency": "EUR",
                "language": "en",
            }
            for n in range(count)
        ]
        path = tmp_path_factory.mktemp("catalogue") / "catalogue.parquet"
        write_table(pd.DataFrame(rows, columns=CATALOGUE.names), CATALOGUE, path)
        return path

    return write


@pytest.fixture(scope="session")
def index_folder(embedder_folder: Path, catalogue_of: CatalogueOf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of 60 products. Copy it before a change."""
    folder = tmp_path_factory.mktemp("index") / "index"
    index_build(str(embedder_folder), catalogue_of(60), str(folder))
    return folder
