"""Catalogue and interactions → training events and questions, and questions → examples."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel

from vitrina.errors import DataError
from vitrina.families.hybrid_recommender.configuration import Options
from vitrina.families.layers.recommenders import prepare_shop, read_questions

if TYPE_CHECKING:
    import pandas as pd


def prepare(tables: Mapping[str, Path], output: Path, options: BaseModel, seed: int) -> None:
    """Hold out what users did last; see `DataModule.prepare` and `vitrina.recommendation.splitting`.

    Raises:
        DataError: when nothing is left to learn from or to ask.
    """
    options = cast(Options, options)
    with tempfile.TemporaryDirectory(dir=output, prefix=".ratings.") as temporary:
        if options.target == "ratings":
            tables = {**tables, "interactions": _ratings(tables["interactions"], Path(temporary))}
        prepare_shop(tables, output, how=options.split, fraction=options.held_out, longest=options.longest, seed=seed)


def _ratings(path: Path, folder: Path) -> Path:
    """The interactions that are ratings."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    rows = pq.read_table(path)
    rated = rows.filter(pc.equal(rows["event"], "rating"))
    if not len(rated):
        raise DataError(f"{path} has no ratings, which target ratings learns from.")
    target = folder / "interactions.parquet"
    pq.write_table(rated, target)
    return target


def read_examples(path: Path, split: str) -> pd.DataFrame:
    """Questions: a split of a prepared folder, or one file that has `user_id`; see `read_questions`."""
    return read_questions(Path(path), split)
