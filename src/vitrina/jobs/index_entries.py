"""What the index jobs share: a model that embeds products, and a catalogue as entries of an index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from vitrina.search import Entries

BATCH = 1024


@dataclass(frozen=True)
class Embedder:
    """A model folder that embeds products. `version`: `folder_version`, the same wherever the folder came from."""

    model: str
    version: str
    folder: Path

    def load(self) -> Any:
        """The predictor.

        Raises:
            UsageError: when the family does not read products.
        """
        from vitrina.contracts import CATALOGUE
        from vitrina.errors import UsageError
        from vitrina.families import catalog

        spec = catalog.get(self.model)
        if strange := [name for name in spec.inputs if name not in CATALOGUE.names]:
            raise UsageError(f"{spec.name} cannot embed products: it reads {strange[0]}, which no catalogue has.")
        return spec.serving.load(self.folder)

    def query(self, text: str) -> np.ndarray:
        """The embedding of a query; by default that of a product of which only the title is known."""
        import pandas as pd

        predictor = self.load()
        if hasattr(predictor, "embed_queries"):
            return predictor.embed_queries([text])[0]
        return predictor.embed(pd.DataFrame({"title": [text]}))[0]


def embedder_of(model: str) -> Embedder:
    """The model behind a reference.

    Raises:
        ArtifactError, RegistryError: when it cannot be resolved.
    """
    from vitrina.artifacts import folder_version
    from vitrina.jobs.switch import source_of

    source = source_of(model)
    return Embedder(source.model, folder_version(source.folder), source.folder)


def catalogue_entries(catalogue: Path, embedder: Embedder) -> Iterator[Entries]:
    """The products of a canonical catalogue, a file or a folder of files; rows that bring embeddings keep them.

    Raises:
        UsageError: no such catalogue. DataError: an empty one, a broken one, or embeddings of another model version.
    """
    from vitrina.errors import DataError

    parts = (_entries(path, embedder) for path in _files(Path(catalogue)))
    found = chain.from_iterable(parts)
    first = next(found, None)
    if first is None:
        raise DataError(f"Catalogue {catalogue} is empty.")
    return chain([first], found)


def _files(catalogue: Path) -> Sequence[Path]:
    from vitrina.errors import UsageError

    if catalogue.is_file():
        return [catalogue]
    if not catalogue.is_dir():
        raise UsageError(f"Catalogue {catalogue} does not exist.")
    if files := sorted(catalogue.glob("*.parquet")):
        return files
    raise UsageError(f"{catalogue} holds no .parquet file.")


def _entries(path: Path, embedder: Embedder) -> Iterator[Entries]:
    from vitrina.contracts import CATALOGUE
    from vitrina.data.tables import read_batches
    from vitrina.families.layers.products import product_text, products_of
    from vitrina.search import Entries
    from vitrina.search.shards import is_shard, vectors_of

    predictor = None if is_shard(path, embedder.model, embedder.version) else embedder.load()
    for rows in read_batches(path, CATALOGUE, BATCH):
        if len(rows) == 0:
            continue
        frame = rows.select(CATALOGUE.names).to_pandas()
        vectors = vectors_of(rows, path) if predictor is None else predictor.embed(frame)
        texts = [product_text(product, category=True) for product in products_of(frame)]
        yield Entries(rows, vectors, texts)
