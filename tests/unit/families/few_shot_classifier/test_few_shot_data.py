"""Classes are held out whole, from any of the tables, and too few of them are refused."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.few_shot_models import FAMILY, TOPICS, drawings, messages
from vitrina.errors import DataError, UsageError
from vitrina.families.few_shot_classifier.data import read_examples
from vitrina.jobs import prepare

SPLITS = ("train", "validation", "test")


def classes(folder: Path) -> dict[str, set[str]]:
    return {name: set(pd.read_parquet(folder / f"{name}.parquet")["label"]) for name in SPLITS}


def test_no_class_is_in_two_splits_and_out_of_scope_is_no_class(tmp_path: Path) -> None:
    prepare(FAMILY, {"messages": messages(tmp_path / "m.parquet")}, tmp_path / "out")
    found = classes(tmp_path / "out")
    assert set.union(*found.values()) == set(TOPICS)
    assert sum(len(part) for part in found.values()) == len(TOPICS)
    assert min(len(part) for part in found.values()) >= 2


def test_the_drift_reference_has_every_class_but_those_of_the_test(tmp_path: Path) -> None:
    prepare(FAMILY, {"messages": messages(tmp_path / "m.parquet")}, tmp_path / "out")
    reference = set(read_examples(tmp_path / "out", "reference")["label"])
    found = classes(tmp_path / "out")
    assert reference == found["train"] | found["validation"]


def test_a_class_held_out_stays_held_out_when_rows_and_classes_are_added(tmp_path: Path) -> None:
    table = messages(tmp_path / "m.parquet")
    rows = pd.read_parquet(table)
    kinds = pd.concat([rows.assign(intent=rows["intent"] + suffix) for suffix in ("", "_a", "_b", "_c", "_d")])
    kinds.to_parquet(table, index=False)
    prepare(FAMILY, {"messages": table}, tmp_path / "before")
    pd.concat([kinds, kinds.assign(text=kinds["text"] + " again"), rows.assign(intent="new")]).to_parquet(table)
    prepare(FAMILY, {"messages": table}, tmp_path / "after")
    before, after = classes(tmp_path / "before"), classes(tmp_path / "after")
    assert all(before[name] <= after[name] for name in SPLITS)


def test_stated_splits_are_kept_only_where_they_part_the_classes(tmp_path: Path) -> None:
    table = messages(tmp_path / "m.parquet")
    rows = pd.read_parquet(table)
    rows = rows[rows["intent"] != "out_of_scope"]
    stated = dict(zip(TOPICS, ["test"] * 3 + ["validation"] * 2 + ["train"] * 5, strict=True))
    rows.assign(split=rows["intent"].map(stated)).to_parquet(table, index=False)
    prepare(FAMILY, {"messages": table}, tmp_path / "stated")
    assert classes(tmp_path / "stated")["test"] == set(TOPICS[:3])
    rows.assign(split=["train", "test"] * (len(rows) // 2)).to_parquet(table, index=False)
    prepare(FAMILY, {"messages": table}, tmp_path / "mixed")
    prepare(FAMILY, {"messages": messages(table)}, tmp_path / "unstated")
    assert classes(tmp_path / "mixed") == classes(tmp_path / "unstated")


@pytest.mark.parametrize("kept", [1, 5])
def test_too_few_classes_are_refused_with_their_number(tmp_path: Path, kept: int) -> None:
    table = messages(tmp_path / "m.parquet")
    rows = pd.read_parquet(table)
    rows[rows["intent"].isin(TOPICS[:kept])].to_parquet(table, index=False)
    with pytest.raises(DataError, match=f"2 or more classes.* of the table's {kept}"):
        prepare(FAMILY, {"messages": table}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_classes_with_a_single_row_are_left_out(tmp_path: Path) -> None:
    table = messages(tmp_path / "m.parquet")
    rows = pd.read_parquet(table)
    pd.concat([rows, rows.head(1).assign(intent="lonely", text="once")]).to_parquet(table, index=False)
    prepare(FAMILY, {"messages": table}, tmp_path / "out")
    assert "lonely" not in set.union(*classes(tmp_path / "out").values())


def test_a_catalogue_gives_titles_and_images_give_drawings_with_whole_alphabets_held_out(tmp_path: Path) -> None:
    tables = drawings(tmp_path)
    catalogue = pd.read_parquet(tables["catalogue"])
    catalogue = catalogue.assign(title=[f"thing {n}" for n in range(len(catalogue))])
    catalogue.loc[0, "category"] = None  # a product nobody has sorted yet
    catalogue.to_parquet(tables["catalogue"], index=False)
    prepare(FAMILY, {"catalogue": tables["catalogue"]}, tmp_path / "titles")
    assert pd.read_parquet(tmp_path / "titles" / "train.parquet")["text"].str.startswith("thing").all()
    overrides = {"model.modality": "image", "model.hold_out": "parent", "training.head_learning_rate": 0}
    prepare(FAMILY, tables, tmp_path / "images", overrides=overrides)
    parents = [set(pd.read_parquet(tmp_path / "images" / f"{name}.parquet")["parent"]) for name in SPLITS]
    assert sum(len(part) for part in parents) == 5
    assert not parents[0] & parents[1]
    assert not parents[1] & parents[2]


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs the table 'messages' or 'catalogue'"):
        prepare(FAMILY, {}, tmp_path / "out")
    tables = drawings(tmp_path)
    with pytest.raises(UsageError, match="needs the table 'images'"):
        prepare(FAMILY, {"catalogue": tables["catalogue"]}, tmp_path / "out", overrides={"model.modality": "image"})


def test_a_file_of_ones_own_is_read_with_label_or_intent(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nhello,greeting\nhello,greeting\nbye,farewell\n")
    rows = read_examples(tmp_path / "a.csv", "test")
    assert list(rows["label"]) == ["greeting", "farewell"]
    assert rows["row_id"].is_unique
    (tmp_path / "b.csv").write_text("text,intent\nhello,greeting\nnonsense,out_of_scope\n")
    assert list(read_examples(tmp_path / "b.csv", "test")["label"]) == ["greeting"]
    (tmp_path / "c.csv").write_text("text,topic\nhello,greeting\n")
    with pytest.raises(DataError, match="column label is missing"):
        read_examples(tmp_path / "c.csv", "test")
    with pytest.raises(UsageError, match="does not exist"):
        read_examples(tmp_path / "none.csv", "test")
