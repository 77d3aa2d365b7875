"""Published layouts are recognised and become messages; photos become images."""

from __future__ import annotations

import gzip
import io
import json
import os
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from vitrina.data import sources
from vitrina.data.ingest import ingest
from vitrina.errors import DataError, UsageError

LIBRARY = os.environ.get("VITRINA_DATA", "")
needs_library = pytest.mark.skipif(not LIBRARY, reason="VITRINA_DATA names no folder of published sets")


def lines_folder(folder: Path, **splits: list[tuple[str, str]]) -> Path:
    for name, rows in splits.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "seq.in").write_text("".join(f"{text}\n" for text, _ in rows))
        (folder / name / "label").write_text("".join(f"{label}\n" for _, label in rows))
    return folder


def test_clinc_reads_the_authors_full_file_with_its_test_lists(tmp_path: Path) -> None:
    content = {
        "train": [["pay my bill", "pay_bill"]],
        "val": [["is it paid", "pay_bill"]],
        "test": [["bill please", "pay_bill"]],
        "oos_train": [["how tall is he", "oos"]],
        "oos_val": [],
        "oos_test": [["sing", "oos"]],
    }
    (tmp_path / "data_full.json").write_text(json.dumps(content))
    (tmp_path / "domains.json").write_text(json.dumps({"banking": ["pay_bill"]}))
    assert sources.guess(tmp_path) == "clinc150"
    ingest(tmp_path, "messages", tmp_path / "m.parquet")
    rows = pd.read_parquet(tmp_path / "m.parquet")
    assert rows.groupby("split")["text"].count().to_dict() == {"train": 2, "validation": 1, "test": 2}
    assert rows.loc[rows["text"] == "sing", ["intent", "domain"]].values.tolist() == [["out_of_scope", None]]
    assert set(rows.loc[rows["intent"] == "pay_bill", "domain"]) == {"banking"}


def test_banking_holds_out_a_tenth_of_train_and_keeps_the_authors_test(tmp_path: Path) -> None:
    (tmp_path / "categories.json").write_text('["card", "cash"]')
    train = "".join(f"message {number},card\n" for number in range(1000))
    (tmp_path / "train.csv").write_text("text,category\n" + train)
    (tmp_path / "test.csv").write_text('text,category\n"so, where is it?",cash\n')
    assert sources.guess(tmp_path) == "banking77"
    rows = sources.layout("banking77").read(tmp_path).frame
    counts = rows["split"].value_counts()
    assert counts["test"] == 1
    assert 70 < counts["validation"] < 130
    (tmp_path / "train.csv").write_text("text,category\nhi,unheard_of\n")
    with pytest.raises(DataError, match="does not list unheard_of"):
        sources.layout("banking77").read(tmp_path)


def test_lines_of_hwu_have_their_scenario_as_domain(tmp_path: Path) -> None:
    folder = lines_folder(
        tmp_path,
        train=[("wake me", "alarm_set")],
        valid=[("play jazz", "play_music")],
        test=[("stop", "alarm_remove")],
        train_5=[("wake me", "alarm_set")],
    )
    assert sources.guess(folder) == "hwu64"
    rows = sources.layout("hwu64").read(folder).frame
    assert rows["split"].tolist() == ["train", "validation", "test"]
    assert rows["domain"].tolist() == ["alarm", "play", "alarm"]


def test_lines_of_nobody_known_must_be_named(tmp_path: Path) -> None:
    folder = lines_folder(tmp_path, train=[("hi", "welcome")])
    with pytest.raises(UsageError, match="say --layout"):
        sources.guess(folder)
    assert sources.layout("snips").read(folder).frame["intent"].tolist() == ["welcome"]


def test_texts_and_labels_of_different_length_are_refused(tmp_path: Path) -> None:
    folder = lines_folder(tmp_path, train=[("hi", "alarm_set")])
    (folder / "train" / "seq.in").write_text("hi\nthere\n")
    with pytest.raises(DataError, match=r"seq\.in has 2 lines, label has 1"):
        sources.layout("hwu64").read(folder)


def test_photos_become_jpegs_and_a_broken_one_goes_to_quarantine(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGBA", (1000, 500), (200, 10, 10, 255)).save(folder / "p1_front.png")
    Image.new("RGB", (64, 64)).save(folder / "p2.jpg")
    for number in range(3, 6):
        Image.new("RGB", (8, 8)).save(folder / f"p{number}.jpg")
    (folder / "p9.jpg").write_bytes(b"no image")
    result = ingest(folder, "images", tmp_path / "images.parquet")
    rows = pd.read_parquet(tmp_path / "images.parquet").set_index("image_id")
    assert (result.rows, result.quarantined) == (5, 1)
    assert rows.loc["p1_front", ["product_id", "width", "height"]].tolist() == ["p1", 512, 256]
    assert Image.open(io.BytesIO(rows.loc["p1_front", "jpeg"])).format == "JPEG"
    assert "not a readable image" in pd.read_csv(result.quarantine)["reason"][0]


def test_a_layout_of_another_table_is_refused(tmp_path: Path) -> None:
    folder = lines_folder(tmp_path / "hwu", train=[("wake me", "alarm_set")])
    with pytest.raises(UsageError, match="holds messages, not catalogue"):
        ingest(folder, "catalogue", tmp_path / "c.parquet")
    with pytest.raises(UsageError, match="no layout 'atis'"):
        ingest(folder, "messages", tmp_path / "m.parquet", layout="atis")


@needs_library
@pytest.mark.parametrize(
    ("name", "intents", "rows", "bad"),
    [
        ("clinc150", 151, {"train": 15_100, "validation": 3_100}, 0),
        ("banking77", 77, {"train": 9_008, "validation": 995}, 0),
        ("hwu64", 64, {"train": 8_954, "validation": 1_076}, 0),
        ("snips", 7, {"train": 13_083, "validation": 700}, 1),
    ],
)
def test_the_published_sets_keep_their_size(
    name: str, intents: int, rows: dict[str, int], bad: int, tmp_path: Path
) -> None:
    result = ingest(Path(LIBRARY) / name, "messages", tmp_path / "m.parquet")
    table = pd.read_parquet(tmp_path / "m.parquet")
    assert table["intent"].nunique() == intents
    assert table["split"].value_counts().to_dict() == rows
    assert result.quarantined == bad


def test_fashion_products_get_a_category_path_and_named_attributes(tmp_path: Path) -> None:
    head = "id,productDisplayName,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,"
    rows = [
        "1,Nike Jersey,Men,Apparel,Topwear,Tshirts,Blue,Summer,2011.0,Sports,True,True",
        "2,Bag,,,,,,,,,False,False",
    ]
    folder = tmp_path / "fashion"
    folder.mkdir()
    (folder / "products.csv.gz").write_bytes(gzip.compress("\n".join([head + "labelled,has_image", *rows]).encode()))
    ingest(folder, "catalogue", tmp_path / "c.parquet")
    first, second = pd.read_parquet(tmp_path / "c.parquet").to_dict("records")
    assert (first["category"], first["image_id"], second["category"]) == ("Apparel > Topwear > Tshirts", "1", None)
    assert dict(first["attributes"]) == {
        "gender": "Men", "colour": "Blue", "season": "Summer", "usage": "Sports", "year": "2011"
    }  # fmt: skip
    assert not second["attributes"]
