"""Omniglot's zip files become images and a catalogue that name the same drawings."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from vitrina.data.ingest import ingest
from vitrina.errors import DataError, UsageError


def omniglot_folder(folder: Path) -> Path:
    content = io.BytesIO()
    Image.new("1", (105, 105), 1).save(content, "PNG")
    for number, alphabets in ((1, ["Greek", "Latin"]), (2, ["Greek", "Tagalog"])):
        with zipfile.ZipFile(folder / f"images_background_small{number}.zip", "w") as archive:
            for alphabet in alphabets:
                for drawer in (1, 2):
                    name = f"images_background_small{number}/{alphabet}/character01/0394_{drawer:02}.png"
                    archive.writestr(name, content.getvalue())
    return folder


def test_both_tables_name_every_drawing_once(tmp_path: Path) -> None:
    source = omniglot_folder(tmp_path)
    ingest(source, "images", tmp_path / "images.parquet", layout="omniglot")
    ingest(source, "catalogue", tmp_path / "catalogue.parquet", layout="omniglot_catalogue")
    images, catalogue = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("images", "catalogue"))
    assert sorted(images["product_id"]) == sorted(catalogue["product_id"])
    assert len(images) == 6  # Greek is in both files
    assert set(catalogue["category"]) == {"Greek > character01", "Latin > character01", "Tagalog > character01"}
    assert Image.open(io.BytesIO(images["jpeg"][0])).size == (105, 105)


def test_a_layout_of_another_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds images, not catalogue"):
        ingest(omniglot_folder(tmp_path), "catalogue", tmp_path / "c.parquet", layout="omniglot")


def test_a_damaged_zip_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "images_background_small1.zip").write_bytes(b"PK but not a zip file")
    with pytest.raises(DataError, match=r"images_background_small1\.zip is a damaged zip file"):
        ingest(tmp_path, "images", tmp_path / "i.parquet", layout="omniglot")
