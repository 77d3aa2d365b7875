"""The part that the pipelines share: from tables to a packaged champion."""

from __future__ import annotations

from kfp import dsl
from kfp.dsl.pipeline_channel import PipelineArtifactChannel

from components.evaluate import evaluate
from components.package import package
from components.prepare import prepare
from components.promote import promote
from components.register import register
from components.train import train
from components.validate import validate
from pipelines.placement import Placement


def train_and_promote(
    placement: Placement,
    pipeline: str,
    tables: PipelineArtifactChannel,
    *,
    family: str,
    preset: str,
    overrides: str,
    seed: int,
    policy: str,
) -> None:
    """validate → prepare → train → evaluate → register → promote → if promoted: package.

    The keywords are the parameters of the pipeline that calls this, whose name goes into the lineage.
    """
    light, heavy = placement.light, placement.heavy
    validated = light(validate(tables=tables))
    prepared = light(prepare(family=family, tables=tables, preset=preset, overrides=overrides, seed=seed))
    data = prepared.after(validated).outputs["data"]
    trained = heavy(train(family=family, data=data, preset=preset, overrides=overrides, seed=seed))
    evaluated = light(evaluate(model=trained.outputs["model"], data=data))
    registered = light(
        register(
            model=trained.outputs["model"],
            evaluation=evaluated.outputs["evaluation"],
            pipeline=pipeline,
            run=dsl.PIPELINE_JOB_NAME_PLACEHOLDER,
            run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
        )
    )
    version = registered.output
    promoted = light(promote(name=family, version=version, data=data, policy=policy))
    with dsl.If(promoted.outputs["Output"] == True, name="promoted"):  # noqa: E712 (an expression, not a bool)
        light(package(name=family, version=version))
