"""Name → FamilySpec. Built-in families are listed; a package adds its own through an entry point."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points

from vitrina.errors import UsageError
from vitrina.training.spec import FamilySpec

ENTRY_POINTS = "vitrina.families"
BUILT_IN = (
    "fashion_recommender",
    "few_shot_classifier",
    "graph_recommender",
    "hybrid_recommender",
    "intent_classifier",
    "multimodal_product",
    "product_classifier",
    "product_describer",
    "product_embedder",
    "product_imager",
    "product_reranker",
)


def names() -> list[str]:
    """Every known family."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=ENTRY_POINTS))})


def get(name: str) -> FamilySpec:
    """The spec of a family.

    Raises:
        UsageError: when no such family is known; lists those that are.
    """
    if name in BUILT_IN:
        return importlib.import_module(f"vitrina.families.{name}.spec").SPEC
    for point in entry_points(group=ENTRY_POINTS, name=name):
        return point.load()
    raise UsageError(f"There is no model family '{name}'. Known: {', '.join(names())}.")


def distribution(name: str) -> str:
    """The installed package that brings a family: what a model of it needs to be loaded."""
    for point in entry_points(group=ENTRY_POINTS, name=name):
        if point.dist is not None:
            return point.dist.name
    return "vitrina"
