"""Fashion-MNIST's IDX files become images and a catalogue that name the same photos."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from vitrina.data.ingest import ingest
from vitrina.data.sources import fashion_mnist, fashion_mnist_catalogue, guess
from vitrina.errors import DataError, UsageError


def idx_folder(folder: Path) -> Path:
    photos = np.random.default_rng(0).integers(0, 255, (4, 28, 28), dtype=np.uint8)
    header = b"\0\0\x08\x03" + struct.pack(">III", 4, 28, 28)
    (folder / fashion_mnist.PHOTOS).write_bytes(gzip.compress(header + photos.tobytes()))
    labels = b"\0\0\x08\x01" + struct.pack(">I", 4) + bytes([9, 0, 0, 6])
    (folder / fashion_mnist.LABELS).write_bytes(gzip.compress(labels))
    return folder


def test_both_tables_name_every_photo(tmp_path: Path) -> None:
    source = idx_folder(tmp_path)
    ingest(source, "images", tmp_path / "images.parquet", layout="fashion_mnist")
    ingest(source, "catalogue", tmp_path / "catalogue.parquet", layout="fashion_mnist_catalogue")
    images, catalogue = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("images", "catalogue"))
    assert list(images["product_id"]) == list(catalogue["product_id"]) == ["fm00001", "fm00002", "fm00003", "fm00004"]
    assert list(catalogue["category"]) == ["Ankle boot", "T-shirt", "T-shirt", "Shirt"]


def test_photos_get_a_black_border_and_keep_their_pixels(tmp_path: Path) -> None:
    frame = fashion_mnist.read(idx_folder(tmp_path)).frame
    shown = np.asarray(Image.open(io.BytesIO(frame["jpeg"].iloc[0])))
    plain = fashion_mnist.idx(tmp_path / fashion_mnist.PHOTOS)[0]
    assert shown.shape == (32, 32)
    assert np.abs(shown[2:30, 2:30].astype(int) - plain).max() <= 3
    assert shown[0].max() <= 3


def test_a_file_that_is_no_idx_file_is_named(tmp_path: Path) -> None:
    (tmp_path / fashion_mnist.PHOTOS).write_bytes(gzip.compress(b"not an array"))
    with pytest.raises(DataError, match="train-images-idx3-ubyte.gz cannot be read as an IDX file"):
        fashion_mnist.read(tmp_path)


def test_the_layout_must_be_named_where_both_tables_fit(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="could be fashion_mnist or fashion_mnist_catalogue"):
        guess(idx_folder(tmp_path))
    assert len(fashion_mnist_catalogue.KINDS) == 10
