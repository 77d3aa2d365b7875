"""What the index jobs share: a model that embeds products, and a catalogue as entries of an index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from vitrina.search import Entries

BATCH = 1024
LARGEST = 20_000
"""Pixels a side of a photo, as the `images` table allows."""


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

    @property
    def sees(self) -> bool:
        """Whether the model also reads photos."""
        from vitrina.families import catalog

        return "image" in catalog.get(self.model).optional_inputs

    def query(self, text: str, image: Path | None = None) -> np.ndarray:
        """The embedding of a query: by default that of a product of which only the title, or a photo, is known.

        Raises:
            UsageError: an image for a model that reads none, or no such file. DataError: no image.
        """
        import pandas as pd

        predictor = self.load()
        if image is not None:
            return predictor.embed(pd.DataFrame({"title": [text or None], "image": [_photo(image, self)]}))[0]
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


def _photo(image: Path, embedder: Embedder) -> bytes:
    from vitrina.errors import UsageError
    from vitrina.families.layers.pictures import opened

    if not embedder.sees:
        raise UsageError(f"{embedder.model} does not read photos: search with words.")
    if not image.is_file():
        raise UsageError(f"{image} does not exist.")
    content = image.read_bytes()
    opened(content, "RGB", LARGEST)
    return content


def catalogue_entries(catalogue: Path, embedder: Embedder, images: Path | None = None) -> Iterator[Entries]:
    """The products of a canonical catalogue, a file or a folder of files; rows that bring embeddings keep them.

    Args:
        images: the `images` table, whose photos the model reads too.

    Raises:
        UsageError: no such catalogue or images, or a model that reads no photos.
        DataError: an empty catalogue, a broken one, or embeddings of another model version.
    """
    from vitrina.errors import DataError, UsageError

    if images is not None and not embedder.sees:
        raise UsageError(f"{embedder.model} does not read photos: leave the images out.")
    if images is not None and not images.is_file():
        raise UsageError(f"Images {images} do not exist.")
    parts = (_entries(path, embedder, images) for path in _files(Path(catalogue)))
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


def _entries(path: Path, embedder: Embedder, images: Path | None) -> Iterator[Entries]:
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
        vectors = vectors_of(rows, path) if predictor is None else predictor.embed(with_photos(frame, images))
        texts = [product_text(product, category=True) for product in products_of(frame)]
        yield Entries(rows, vectors, texts)


def with_photos(frame: pd.DataFrame, images: Path | None) -> pd.DataFrame:
    """The products with `image`, the bytes of their first photo in the `images` table; without a table as they are."""
    if images is None:
        return frame
    import pyarrow.parquet as pq

    wanted = [("product_id", "in", frame["product_id"].tolist())]
    found = pq.read_table(images, columns=["image_id", "product_id", "jpeg"], filters=wanted).to_pandas()
    first = found.sort_values("image_id", kind="stable").drop_duplicates("product_id").set_index("product_id")["jpeg"]
    return frame.assign(image=frame["product_id"].map(first).astype(object).where(lambda known: known.notna(), None))
