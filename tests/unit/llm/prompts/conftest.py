"""A catalogue of the sample store."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def store() -> pd.DataFrame:
    """3,000 products in two languages, with descriptions, attributes and the words the generator used."""
    from vitrina.data.sample_store.catalogue import draw_catalogue

    start, end = pd.Timestamp("2024-11-01", tz="UTC"), pd.Timestamp("2025-11-01", tz="UTC")
    return draw_catalogue(3000, np.random.default_rng(7), start=start, end=end, drift=False)
