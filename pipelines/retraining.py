"""The retraining pipeline: where there is drift, train on what was learnt since and let the gates decide."""

# No `from __future__ import annotations`: kfp reads the types of a pipeline's parameters.

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from components.drift import drift
from components.merge import merge
from pipelines.placement import Placement
from pipelines.steps import train_and_promote

NAME = "vitrina-retraining"


def retraining(placement: Placement) -> BaseComponent:
    """The pipeline, its tasks placed as `placement` says."""

    @dsl.pipeline(name=NAME, description="drift; if drifted: merge, validate, prepare, train … promote, package")
    def pipeline(
        family: str,
        predictions: str,
        tables: str,
        additions: str = "{}",
        since: str = "",
        until: str = "",
        minimum_rows: int = 200,
        triggers: str = "",
        preset: str = placement.preset,
        overrides: str = "{}",
        seed: int = 7,
        policy: str = "",
    ) -> None:
        """Retrain a family's champion where the world has moved.

        Args:
            family: a model family with a champion.
            predictions: folder of the prediction log.
            tables: JSON map of canonical table to Parquet file: what the champion was trained on.
            additions: JSON map of canonical table to what was labelled since: a Parquet file, a labelling tool's
                export, the folder of the prediction log, whose feedback is then taken, or the file of kept events.
            since: ISO time or age such as 24h; earlier predictions are not looked at. Empty: no bound.
            until: the same for later ones.
            minimum_rows: with fewer predictions nothing has drifted.
            triggers: what starts a training, as YAML text; empty: drift, or a fall of live accuracy.
            preset: a preset of the family.
            overrides: JSON map of dotted preset key to value.
            seed: what the splits and the training start from.
            policy: a promotion policy as YAML text; empty: the project's own.
        """
        drifted = placement.light(
            drift(
                family=family,
                predictions=predictions,
                since=since,
                until=until,
                minimum_rows=minimum_rows,
                triggers=triggers,
            )
        )
        with dsl.If(drifted.outputs["Output"] == True, name="drifted"):  # noqa: E712 (an expression, not a bool)
            merged = placement.light(merge(tables=tables, additions=additions))
            train_and_promote(
                placement,
                NAME,
                merged.outputs["merged"],
                family=family,
                preset=preset,
                overrides=overrides,
                seed=seed,
                policy=policy,
            )

    return pipeline
