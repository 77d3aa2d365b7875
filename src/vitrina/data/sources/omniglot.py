"""Omniglot (Lake et al., 2015): handwritten characters of many alphabets, twenty drawings of each, as `images`.

The authors' zip files `images_background*.zip` hold `<set>/<alphabet>/<character>/<number>_<drawer>.png`. Their two
small sets share alphabets: a drawing that is in both is read once. `omniglot_catalogue` reads the characters.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from PIL import Image

from vitrina.data.sources import RawRows
from vitrina.errors import DataError

TABLE = "images"
FILES = "images_background*.zip"
QUALITY = 95


def matches(folder: Path) -> bool:
    """Whether the authors' zip files lie in `folder`."""
    return any(folder.glob(FILES))


def read(folder: Path) -> RawRows:
    """Every drawing as a JPEG; one drawing is one product, whose category the catalogue holds."""
    rows = []
    for name, content in drawings(folder):
        with Image.open(io.BytesIO(content)) as image:
            plain, jpeg = image.convert("L"), io.BytesIO()
        plain.save(jpeg, "JPEG", quality=QUALITY)
        rows.append((name, name, jpeg.getvalue(), plain.width, plain.height))
    frame = pd.DataFrame(rows, columns=["image_id", "product_id", "jpeg", "width", "height"])
    return RawRows(frame.set_axis(range(1, len(frame) + 1)))


def drawings(folder: Path) -> Iterator[tuple[str, bytes]]:
    """`<alphabet>/<character>/<number>_<drawer>` and PNG of every distinct drawing, file by file.

    Raises:
        DataError: when there is none, or a zip file is damaged.
    """
    seen: set[str] = set()
    for path in sorted(folder.glob(FILES)):
        try:
            with zipfile.ZipFile(path) as archive:
                for member in sorted(name for name in archive.namelist() if name.endswith(".png")):
                    name = "/".join(member.removesuffix(".png").split("/")[-3:])
                    if name not in seen:
                        seen.add(name)
                        yield name, archive.read(member)
        except zipfile.BadZipFile as error:
            raise DataError(f"{path} is a damaged zip file: {error}.") from error
    if not seen:
        raise DataError(f"{folder} has no drawing in {FILES}.")
