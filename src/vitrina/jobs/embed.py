"""Job: a catalogue, or one shard of it, → Parquet with one embedding a product."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vitrina.jobs.result import JobResult

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from vitrina.search.engine import Progress
    from vitrina.training.spec import Predictor

BATCH = 1024
MADE_OF = b"vitrina.catalogue"
"""Key of the Parquet metadata that names the catalogue and the shard; the model's are those of `search.shards`."""


class EmbeddingPlan(JobResult):
    """How a catalogue is embedded in parts: the exact version of the model, and the folder of the parts."""

    model: str
    folder: Path
    shards: int


class EmbedResult(JobResult):
    """One part; `reused`: it was there already, made of the same model, catalogue and shard."""

    model: str
    version: str
    rows: int
    part: Path
    reused: bool


def plan_embedding(model: str, catalogue: Path, output: Path, *, products_a_shard: int = 50_000) -> EmbeddingPlan:
    """The version behind `model` now, and a folder in `output` for the parts of this model and catalogue alone.

    The plan of the same model and catalogue is the same, so a second run finds the parts of the first.

    Raises:
        UsageError: a missing catalogue, or shards of no products. DataError: an empty catalogue.
    """
    from vitrina.data.tables import open_parquet
    from vitrina.errors import DataError, UsageError
    from vitrina.jobs.switch import source_of

    if products_a_shard < 1:
        raise UsageError(f"A shard needs at least one product, got {products_a_shard}.")
    digest, rows = _digest(Path(catalogue)), open_parquet(Path(catalogue)).metadata.num_rows
    if rows == 0:
        raise DataError(f"Catalogue {catalogue} is empty.")
    source = source_of(model)
    pinned = f"models:/{source.model}/{source.version}" if model.startswith("models:/") else str(source.folder)
    folder = Path(output) / f"{source.model}-{source.version}-{digest}"
    return EmbeddingPlan(model=pinned, folder=folder, shards=-(-rows // products_a_shard))


def embed(
    model: str,
    catalogue: Path,
    output: Path,
    *,
    shard: int = 0,
    shards: int = 1,
    progress: Progress = lambda what, rows: None,
) -> EmbedResult:
    """Write `part-<shard>-of-<shards>.parquet` into the folder `output`: the catalogue's columns and `embedding`.

    A part appears whole or not at all, and one that is there already is kept: after a failure the same call resumes.

    Args:
        shard: which of `shards` equal runs of rows, from 0.
        progress: told what is being done, and how many products are done.

    Raises:
        UsageError: an impossible shard, a missing catalogue, a model that has no embeddings.
        DataError: an empty catalogue. ArtifactError: a damaged model folder.
    """
    from vitrina.errors import UsageError
    from vitrina.jobs.index_entries import embedder_of
    from vitrina.search.shards import made_by

    if not 0 <= shard < shards:
        raise UsageError(f"There is no shard {shard} of {shards}: they are counted from 0.")
    embedder = embedder_of(model)
    of = f"{_digest(Path(catalogue))} {shard}/{shards}"
    facts = {**made_by(embedder.model, embedder.version), MADE_OF: of.encode()}
    part = Path(output) / f"part-{shard:05d}-of-{shards:05d}.parquet"
    rows = _rows_made_of(part, facts)
    reused = rows is not None
    if rows is None:
        frame = _shard(Path(catalogue), shard, shards)
        _write(_embedded(embedder.load(), frame, progress), part, facts)
        rows = len(frame)
    return EmbedResult(model=embedder.model, version=embedder.version, rows=rows, part=part, reused=reused)


def _digest(catalogue: Path) -> str:
    from vitrina.artifacts import sha256
    from vitrina.errors import UsageError

    if not catalogue.is_file():
        raise UsageError(f"Catalogue {catalogue} does not exist.")
    return sha256(catalogue)[:16]


def _rows_made_of(part: Path, facts: dict[bytes, bytes]) -> int | None:
    """The rows of a finished part; None where there is none, or one made of something else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not part.is_file():
        return None
    try:
        metadata = pq.read_metadata(part)
    except (OSError, pa.ArrowException):
        return None
    return metadata.num_rows if facts.items() <= (metadata.metadata or {}).items() else None


def _shard(catalogue: Path, shard: int, shards: int) -> pd.DataFrame:
    """An equal run of the catalogue's rows; a shard of a small catalogue may be empty."""
    from vitrina.contracts import CATALOGUE
    from vitrina.data.tables import read_table
    from vitrina.errors import DataError

    frame = read_table(catalogue, CATALOGUE)
    if frame.empty:
        raise DataError(f"Catalogue {catalogue} is empty.")
    bounds = [len(frame) * edge // shards for edge in (shard, shard + 1)]
    return frame.iloc[slice(*bounds)].reset_index(drop=True)


def _embedded(predictor: Predictor, frame: pd.DataFrame, progress: Progress) -> pa.Table:
    """The canonical table and its embeddings, (rows, dimension) float32 as a list column."""
    import numpy as np
    import pyarrow as pa

    from vitrina.contracts import CATALOGUE
    from vitrina.data.tables import to_arrow
    from vitrina.search.shards import EMBEDDING

    pieces = []
    for start in range(0, len(frame), BATCH):
        pieces.append(predictor.embed(frame.iloc[start : start + BATCH].reset_index(drop=True)))
        progress("embedding", min(start + BATCH, len(frame)))
    table = to_arrow(frame, CATALOGUE)
    vectors = np.concatenate(pieces or [np.zeros((0, 1))])
    flat = pa.array(vectors.astype(np.float32).ravel())
    offsets = pa.array(np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32))
    return table.append_column(EMBEDDING, pa.ListArray.from_arrays(offsets, flat))


def _write(table: pa.Table, part: Path, facts: dict[bytes, bytes]) -> None:
    import pyarrow.parquet as pq

    from vitrina.data.tables import staged_file

    with staged_file(part) as staged:
        pq.write_table(table.replace_schema_metadata(facts), staged)
