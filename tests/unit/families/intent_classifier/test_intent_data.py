import pandas as pd
import pytest

from vitrina.errors import DataError, UsageError
from vitrina.families.intent_classifier import data
from vitrina.families.intent_classifier.configuration import Options


def splits(table, output, **options):
    output.mkdir(exist_ok=True)
    data.prepare({"messages": table}, output, Options(**options), seed=7)
    return {name: pd.read_parquet(output / f"{name}.parquet") for name in data.SPLITS}


def test_every_message_lands_in_exactly_one_split(messages_table, tmp_path):
    parts = splits(messages_table, tmp_path)
    texts = [text for part in parts.values() for text in part["text"]]
    assert sorted(texts) == sorted(pd.read_parquet(messages_table)["text"])
    assert len(parts["train"]) > 4 * len(parts["validation"]) > 0


def test_a_message_held_out_once_stays_held_out_when_the_table_grows(messages_table, tmp_path):
    before = splits(messages_table, tmp_path / "one")
    table = pd.read_parquet(messages_table)
    more = table.assign(text=table["text"] + " now")
    grown = tmp_path / "grown.parquet"
    pd.concat([more, table]).to_parquet(grown)
    after = splits(grown, tmp_path / "two")
    assert set(before["test"]["text"]) <= set(after["test"]["text"])
    assert not set(before["test"]["text"]) & set(after["train"]["text"])


def test_stated_splits_are_kept(messages_table, tmp_path):
    table = pd.read_parquet(messages_table)
    table["split"] = ["validation" if i % 5 == 0 else "train" for i in range(len(table))]
    path = tmp_path / "stated.parquet"
    table.to_parquet(path)
    parts = splits(path, tmp_path / "out", test_fraction=0)
    assert set(parts["validation"]["text"]) == set(table[table["split"] == "validation"]["text"])
    pd.testing.assert_frame_equal(parts["test"], parts["validation"])


def test_an_intent_without_training_messages_is_refused(messages_table, tmp_path):
    table = pd.read_parquet(messages_table)
    table["split"] = ["validation" if intent == "refund" else "train" for intent in table["intent"]]
    path = tmp_path / "bad.parquet"
    table.to_parquet(path)
    with pytest.raises(DataError, match="validation but no training messages: refund"):
        splits(path, tmp_path / "out")


def test_one_intent_is_not_enough(messages_table, tmp_path):
    table = pd.read_parquet(messages_table)
    path = tmp_path / "one.parquet"
    table[table["intent"] == "refund"].to_parquet(path)
    with pytest.raises(DataError, match="two or more intents"):
        splits(path, tmp_path / "out")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_examples_are_read_from_one_file_of_any_format(tmp_path, suffix):
    frame = pd.DataFrame({"text": ["hi", "bye"], "intent": ["greeting", "oos"]})
    path = tmp_path / f"rows.{suffix}"
    writers = {"csv": frame.to_csv, "parquet": frame.to_parquet}
    if suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        writers[suffix](path, index=False)
    found = data.read_examples(path, "test")
    assert list(found["intent"]) == ["greeting", "out_of_scope"]
    assert found["row_id"].is_unique


def test_missing_files_splits_and_columns_are_named(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        data.read_examples(tmp_path / "none.csv", "test")
    with pytest.raises(UsageError, match=r"has no test.parquet"):
        data.read_examples(tmp_path, "test")
    (tmp_path / "rows.csv").write_text("text,label\nhi,x\n")
    with pytest.raises(DataError, match="column intent is missing; it has text, label"):
        data.read_examples(tmp_path / "rows.csv", "test")


def test_repeated_texts_have_names_of_their_own() -> None:
    names = data.row_ids(pd.Series(["hola", "adiós", "hola"]))
    assert names[:2] == data.row_ids(pd.Series(["hola", "adiós"]))
    assert len(set(names)) == 3
