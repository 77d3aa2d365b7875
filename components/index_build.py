"""Build the search index of an embedded catalogue."""

from kfp.dsl import Metrics, Output

from components._base import component


@component
def index_build(parts: list, output: str, metrics: Output[Metrics]) -> str:
    """`parts` are the answers of `embed`; `output` is replaced once the new index is complete."""
    import json
    from pathlib import Path

    from vitrina.jobs import index_build as job

    answers = [json.loads(part) for part in parts]
    built = job(answers[0]["model"], Path(answers[0]["folder"]), output)
    metrics.log_metric("products", float(built.rows))
    metrics.log_metric("shards_made", float(sum(not answer["reused"] for answer in answers)))
    return built.index
