"""Closed-form recommenders, one file each: fitted in seconds to minutes, without gradient steps.

Every member's file has `Options`, `fit(histories, options)` and `load(folder)`; a `Member` scores histories. A member
knows no user by name: whoever has a history is answered, and an event of a second ago counts.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from vitrina.artifacts import read_json
from vitrina.errors import ArtifactError, UsageError
from vitrina.recommendation.histories import Histories, History
from vitrina.recommendation.members.store import NUMBERS

if TYPE_CHECKING:
    import pyarrow as pa

NAMES = ("popularity", "item_knn", "ease", "gfcf", "markov", "recent_knn", "user_knn")
CATALOGUE = ("attribute_knn",)
"""Members that learn from the catalogue too: their `fit` takes its rows as a third argument."""

ALL = (*NAMES, *CATALOGUE)


class Member(Protocol):
    """A fitted member."""

    def scores(self, batch: Sequence[History]) -> np.ndarray:
        """(batch, products) float32, higher is better; comparable within a row only."""

    def save(self, folder: Path) -> None:
        """Write it into a folder of its own."""


def fit(
    name: str, histories: Histories, options: Mapping[str, Any] | None = None, catalogue: pa.Table | None = None
) -> Member:
    """Fit the member called `name`.

    Args:
        options: of the member's `Options`.
        catalogue: the products' rows, in the order of `histories.products`; members in `CATALOGUE` need it.

    Raises:
        UsageError: for an unknown member or option.
    """
    module = _module(name)
    known = [field.name for field in dataclasses.fields(module.Options)]
    if unknown := sorted(set(options or {}) - set(known)):
        raise UsageError(f"{name} has no option {', '.join(unknown)}; it has {', '.join(known)}.")
    chosen = module.Options(**(options or {}))
    if name not in CATALOGUE:
        return cast(Member, module.fit(histories, chosen))
    if catalogue is None:
        raise UsageError(f"{name} learns from the catalogue: give its rows.")
    return cast(Member, module.fit(histories, chosen, catalogue))


def load(folder: Path) -> Member:
    """The member that was saved into `folder`.

    Raises:
        ArtifactError: when it is missing, damaged or of a kind that is not known.
    """
    name = read_json(folder / NUMBERS).get("member")
    if name not in ALL:
        raise ArtifactError(f"{folder} holds no member that is known: {name}.")
    return cast(Member, _module(name).load(folder))


def _module(name: str) -> Any:
    if name not in ALL:
        raise UsageError(f"There is no member '{name}'; there are {', '.join(ALL)}.")
    return importlib.import_module(f"{__name__}.{name}")
