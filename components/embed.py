"""Embed one shard of a catalogue."""

from kfp.dsl import Dataset, Input

from components._base import component


@component
def embed(task: str, tables: Input[Dataset]) -> str:
    """`task` is an item of `plan_embedding`; answers it with the path and the rows of the part."""
    import json
    from pathlib import Path

    from vitrina.jobs import embed as job

    asked = json.loads(task)
    catalogue, output = Path(tables.path) / "catalogue.parquet", Path(asked["folder"])
    done = job(asked["model"], catalogue, output, shard=asked["shard"], shards=asked["shards"])
    return json.dumps({**asked, "part": str(done.part), "rows": done.rows, "reused": done.reused})
