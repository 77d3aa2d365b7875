"""Fashion-MNIST (Xiao et al., 2017): 28 × 28 grey photos of ten kinds of clothing, as `images`.

The authors' IDX files. Photos get a black border up to 32 × 32 pixels, what halving networks ask for;
`fashion_mnist_catalogue` reads the labels.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from vitrina.data.sources import RawRows
from vitrina.errors import DataError

TABLE = "images"
PHOTOS = "train-images-idx3-ubyte.gz"
LABELS = "train-labels-idx1-ubyte.gz"
SIDE = 32
QUALITY = 100


def matches(folder: Path) -> bool:
    """Whether the authors' training files lie in `folder`."""
    return (folder / PHOTOS).is_file()


def read(folder: Path) -> RawRows:
    """Every photo as a JPEG; one photo is one product, whose kind the catalogue holds."""
    photos = idx(folder / PHOTOS)
    border = (SIDE - photos.shape[1]) // 2
    padded = np.pad(photos, ((0, 0), (border, border), (border, border)))
    names = product_ids(len(photos))
    frame = pd.DataFrame({"image_id": names, "product_id": names, "jpeg": [_jpeg(photo) for photo in padded]})
    frame = frame.assign(width=SIDE, height=SIDE)
    return RawRows(frame.set_axis(range(1, len(frame) + 1)))


def idx(path: Path) -> np.ndarray:
    """The array of a gzipped IDX file of bytes.

    Raises:
        DataError: when it is missing or is not such a file.
    """
    try:
        content = gzip.decompress(path.read_bytes())
        if content[:3] != b"\x00\x00\x08":
            raise ValueError("no IDX file of bytes")
        shape = np.frombuffer(content, ">i4", content[3], offset=4)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape)
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise DataError(f"{path} cannot be read as an IDX file: {error}.") from error


def product_ids(count: int) -> list[str]:
    """`fm00001` and so on, in the file's order."""
    return [f"fm{number:05d}" for number in range(1, count + 1)]


def _jpeg(photo: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(photo).save(content, "JPEG", quality=QUALITY)
    return content.getvalue()
