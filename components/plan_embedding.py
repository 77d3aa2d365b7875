"""Cut a catalogue into shards for the exact version that a model reference means now."""

from kfp.dsl import Dataset, Input

from components._base import component


@component
def plan_embedding(model: str, tables: Input[Dataset], output: str, products_a_shard: int) -> list:
    """One JSON text per shard: model, folder, shard, shards."""
    import json
    from pathlib import Path

    from vitrina.jobs import plan_embedding as job

    plan = job(model, Path(tables.path) / "catalogue.parquet", Path(output), products_a_shard=products_a_shard)
    whole = plan.model_dump(mode="json")
    return [json.dumps({**whole, "shard": shard}) for shard in range(plan.shards)]
