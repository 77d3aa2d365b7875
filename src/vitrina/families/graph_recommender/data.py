"""Catalogue and interactions → splits, and splits → rows to answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel

from vitrina.families.graph_recommender.configuration import Options
from vitrina.families.layers.recommenders import prepare_shop, read_questions
from vitrina.recommendation.histories import LONGEST

if TYPE_CHECKING:
    import pandas as pd


def prepare(tables: Mapping[str, Path], output: Path, options: BaseModel, seed: int) -> None:
    """Write events to train on, users to foretell, products and histories; see `DataModule.prepare`.

    Raises:
        DataError: when there are no products or interactions, or a part ends empty.
    """
    options = cast(Options, options)
    prepare_shop(tables, output, how=options.split, fraction=options.fraction, longest=LONGEST, seed=seed)


def read_examples(path: Path, split: str) -> pd.DataFrame:
    """Users with history and targets, see `DataModule.read_examples`."""
    return read_questions(path, split)
