"""The training pipeline: a shop's files in, a gated and packaged model out. It knows no family by name."""

# No `from __future__ import annotations`: kfp reads the types of a pipeline's parameters.

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from components.ingest import ingest
from pipelines.placement import Placement
from pipelines.steps import train_and_promote

NAME = "vitrina-training"


def training(placement: Placement) -> BaseComponent:
    """The pipeline, its tasks placed as `placement` says."""

    @dsl.pipeline(name=NAME, description="ingest, validate, prepare, train, evaluate, register, promote, package")
    def pipeline(
        family: str,
        tables: str,
        preset: str = placement.preset,
        overrides: str = "{}",
        seed: int = 7,
        policy: str = "",
    ) -> None:
        """Train a family on a shop's files.

        Args:
            family: a model family, e.g. as `vitrina doctor` lists them.
            tables: JSON map of canonical table to file: CSV, JSON lines or Parquet.
            preset: a preset of the family.
            overrides: JSON map of dotted preset key to value.
            seed: what the splits and the training start from.
            policy: a promotion policy as YAML text; empty: the project's own.
        """
        ingested = placement.light(ingest(sources=tables))
        train_and_promote(
            placement,
            NAME,
            ingested.outputs["tables"],
            family=family,
            preset=preset,
            overrides=overrides,
            seed=seed,
            policy=policy,
        )

    return pipeline
