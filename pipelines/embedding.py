"""The embedding pipeline: a shop's catalogue → embeddings in Parquet, made in shards, and the search index of them."""

# No `from __future__ import annotations`: kfp reads the types of a pipeline's parameters.

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from components.embed import embed
from components.index_build import index_build
from components.ingest import ingest
from components.plan_embedding import plan_embedding
from components.validate import validate
from pipelines.placement import Placement

NAME = "vitrina-embedding"
RETRIES = 2


def embedding(placement: Placement) -> BaseComponent:
    """The pipeline, its tasks placed as `placement` says."""

    @dsl.pipeline(name=NAME, description="ingest, validate, embed in shards, index")
    def pipeline(
        model: str,
        tables: str,
        embeddings: str,
        search_index: str,
        products_a_shard: int = 50000,
    ) -> None:
        """Embed a catalogue; a second run after a failure makes only the shards that are missing.

        Args:
            model: a registry reference such as models:/product_embedder@champion, or a model folder.
            tables: JSON map with `catalogue`: CSV, JSON lines or Parquet.
            embeddings: folder that outlives a run; each model version and catalogue gets its own below it.
            search_index: folder of the index; replaced whole, so that a service that follows it changes over.
            products_a_shard: how many products a task embeds.
        """
        ingested = placement.light(ingest(sources=tables))
        catalogue = ingested.outputs["tables"]
        validated = placement.light(validate(tables=catalogue))
        planned = placement.light(
            plan_embedding(model=model, tables=catalogue, output=embeddings, products_a_shard=products_a_shard)
        )
        planned.after(validated)
        with dsl.ParallelFor(planned.output, name="shards") as task:
            part = placement.heavy(embed(task=task, tables=catalogue))
            part.set_retry(num_retries=RETRIES)
        placement.light(index_build(parts=dsl.Collected(part.output), output=search_index))

    return pipeline
