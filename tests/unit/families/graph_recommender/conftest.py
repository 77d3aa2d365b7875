"""A shop of three tastes, prepared once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.graph_models import prepared, shop_tables


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prepared folder of the shop."""
    folder = tmp_path_factory.mktemp("shop")
    return prepared(shop_tables(folder), folder / "data")
