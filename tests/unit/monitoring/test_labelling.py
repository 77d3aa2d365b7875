from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from vitrina.contracts import CATALOGUE, MESSAGES
from vitrina.data.tables import read_table, write_table
from vitrina.errors import DataError, UsageError
from vitrina.families import catalog
from vitrina.monitoring import labelling
from vitrina.monitoring.drift import load_reference, reference_embeddings

Traffic = Callable[..., pd.DataFrame]


@pytest.fixture
def choose(model: Path) -> Callable[..., pd.DataFrame]:
    """Log messages and choose from them."""
    predictor = catalog.get("message_toy").serving.load(model)
    reference = reference_embeddings(load_reference(model))

    def chosen(messages: pd.DataFrame, count: int) -> pd.DataFrame:
        logged = predictor.predict_frame(messages)
        logged.insert(0, "request_id", [f"r{number}" for number in range(len(logged))])
        return labelling.choose(logged, predictor, reference, count)

    return chosen


@pytest.fixture
def tasks(choose: Callable[..., pd.DataFrame], traffic: Traffic, tmp_path: Path) -> Path:
    """A folder of 20 exported tasks."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    labelling.write_tasks(choose(traffic(300, seed=4), 20), ["refund", "<other> & more"], "intents 3", folder)
    return folder


def test_a_new_topic_is_found_among_usual_messages(choose: Callable[..., pd.DataFrame], traffic: Traffic) -> None:
    """30 of 530 messages are about something new: of 40 chosen by chance, two or three would be."""
    chosen = choose(pd.concat([traffic(500, seed=4), traffic(30, seed=5, new=1)], ignore_index=True), 40)
    new = chosen["request_id"].isin([f"r{number}" for number in range(500, 530)])
    assert chosen["reason"].value_counts().to_dict() == {"uncertain": 20, "drifted": 20}
    assert new.sum() >= 18


def test_a_group_is_novel_and_a_lone_oddity_is_not() -> None:
    rng = np.random.default_rng(0)
    reference, usual = rng.normal(size=(400, 8)), rng.normal(size=(200, 8))
    group, oddity = rng.normal(4, 0.3, size=(30, 8)), np.full((1, 8), -9.0)
    found = labelling.novelty(np.vstack([usual, group, oddity]), reference)
    assert found[200:230].min() > found[:200].max()
    assert found[230] < found[200:230].min()


def test_uncertain_ones_are_the_least_certain(choose: Callable[..., pd.DataFrame], traffic: Traffic) -> None:
    chosen = choose(traffic(500, seed=4), 40)
    rest = choose(traffic(500, seed=4), 1000)
    uncertain = chosen[chosen["reason"] == "uncertain"]
    assert uncertain["confidence"].max() <= rest["confidence"].nsmallest(30).max()
    assert uncertain["confidence"].is_monotonic_increasing


def test_copies_of_one_message_are_chosen_once(choose: Callable[..., pd.DataFrame], traffic: Traffic) -> None:
    copies = pd.DataFrame({"text": ["Where IS my loyalty gift", " where is my   loyalty gift "] * 50, "language": "en"})
    chosen = choose(pd.concat([copies, traffic(50, seed=4)], ignore_index=True), 30)
    assert chosen["text"].str.contains("loyalty").sum() == 1
    assert chosen["request_id"].is_unique


def test_variants_of_one_message_do_not_crowd_out_others(choose: Callable[..., pd.DataFrame], traffic: Traffic) -> None:
    variants = [f"loyalty points renewal tier{'!' * i}" for i in range(60)]
    crowd = pd.DataFrame({"text": variants, "language": "en"})
    chosen = choose(pd.concat([traffic(200, seed=4), crowd], ignore_index=True), 40)
    assert chosen["text"].isin(variants).sum() == 1


def test_fewer_messages_than_wanted_are_all_chosen(choose: Callable[..., pd.DataFrame], traffic: Traffic) -> None:
    assert len(choose(traffic(5, seed=4), 40)) == 5
    assert choose(traffic(1, seed=4), 40)["predicted"].notna().all()
    assert choose(traffic(5, seed=4).assign(text=" "), 40).empty


def test_tasks_have_the_label_studio_shape(tasks: Path) -> None:
    exported = json.loads((tasks / "tasks.json").read_text())
    config = ElementTree.parse(tasks / "label_config.xml").getroot()
    choices = config.find("Choices")
    assert choices is not None
    assert [choice.get("value") for choice in choices] == ["refund", "<other> & more"]
    assert len(exported) == 20
    for task in exported:
        (prediction,) = task["predictions"]
        (result,) = prediction["result"]
        assert config.find("Text").get("value") == "$text"
        assert (result["from_name"], result["to_name"]) == (choices.get("name"), choices.get("toName"))
        assert result["value"] == {"choices": [task["data"]["predicted"]]}
        assert 0 <= prediction["score"] <= 1
        assert task["data"]["text"]


def annotate(task: dict, *results: dict, **fields: object) -> dict:
    """What Label Studio adds to a task when a person labels it."""
    annotation = {"result": list(results), "was_cancelled": False, "updated_at": "2026-11-21T10:00:00Z"} | fields
    return {**task, "annotations": [*task.get("annotations", []), annotation]}


def choice(label: str) -> dict:
    return {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [label]}}


def new_label(label: str) -> dict:
    return {"from_name": "new_label", "to_name": "text", "type": "textarea", "value": {"text": [label]}}


def test_annotated_tasks_come_back_as_canonical_messages(tasks: Path, tmp_path: Path) -> None:
    first, second, third, fourth, *rest = json.loads((tasks / "tasks.json").read_text())
    export = [
        annotate(annotate(first, choice("old")), choice("refund"), updated_at="2026-11-22T10:00:00Z"),
        annotate(second, choice("refund"), new_label("loyalty")),
        annotate(third, choice("refund"), was_cancelled=True),
        annotate(fourth),
        *({**task, "annotations": []} for task in rest),
    ]
    path = tmp_path / "export.json"
    path.write_text(json.dumps(export))
    messages = labelling.labelled_rows(path)
    assert messages[["text", "intent", "split"]].to_numpy().tolist() == [
        [first["data"]["text"], "refund", ""],
        [second["data"]["text"], "loyalty", ""],
    ]
    write_table(messages, MESSAGES, tmp_path / "messages.parquet")
    assert len(read_table(tmp_path / "messages.parquet", MESSAGES)) == 2


def test_the_short_json_export_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "min.json"
    path.write_text(json.dumps([{"id": 1, "text": "hola", "label": "greeting"}, {"id": 2, "text": "adiós"}]))
    assert labelling.labelled_rows(path).to_dict("records") == [
        {"text": "hola", "intent": "greeting", "language": "und", "split": "", "domain": None}
    ]


def test_the_csv_comes_back_when_its_column_is_filled_in(tasks: Path) -> None:
    with (tasks / "tasks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows} == {""}
    rows[0]["label"], rows[1]["label"] = "refund", "loyalty"
    with (tasks / "done.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    messages = labelling.labelled_rows(tasks / "done.csv")
    assert messages["intent"].tolist() == ["refund", "loyalty"]
    assert messages["language"].tolist() == [rows[0]["language"], rows[1]["language"]]


def test_files_without_labels_are_refused(tasks: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tasks\.csv holds no label: fill the column 'label'"):
        labelling.labelled_rows(tasks / "tasks.csv")
    with pytest.raises(UsageError, match="does not exist"):
        labelling.labelled_rows(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text('[{"label": "x"}]')
    with pytest.raises(DataError, match="a labelled task has no text"):
        labelling.labelled_rows(tmp_path / "bad.json")


def test_fed_back_labels_become_training_rows(traffic: Traffic) -> None:
    logged = traffic(4, seed=1).assign(request_id=list("abcd"), label="delivery")
    logged.loc[3, "language"] = np.nan
    labels = pd.DataFrame({"request_id": ["a", "d", "ghost"], "label": ["refund", "loyalty", "x"], "timestamp": ""})
    rows = labelling.training_rows(logged, labels)
    assert list(rows.columns) == MESSAGES.names
    assert rows["intent"].tolist() == ["refund", "loyalty"]
    assert rows["text"].tolist() == [logged["text"][0], logged["text"][3]]
    assert rows["language"].tolist()[1] == "und"


def test_fed_back_categories_become_products(tmp_path: Path) -> None:
    logged = pd.DataFrame(
        {
            "request_id": ["a", "b"],
            "title": ["Red mug", "Wool hat"],
            "category": ["Home > Glasses", "Clothing > Scarves"],
            "label": ["Home > Glasses", "Clothing > Scarves"],
            "product_id": ["p1", None],
            "price": [4.5, None],
            "language": ["en", None],
        }
    )
    truth = ["Home > Mugs", "Clothing > Hats"]
    labels = pd.DataFrame({"request_id": ["a", "b"], "label": truth, "timestamp": ""})
    rows = labelling.training_rows(logged, labels, "catalogue")
    assert rows["product_id"].tolist() == ["p1", "b"]
    assert rows["category"].tolist() == truth
    assert (rows["title"][0], rows["price"][0], rows["language"].tolist()) == ("Red mug", 4.5, ["en", "und"])
    write_table(rows, CATALOGUE, tmp_path / "catalogue.parquet")


def test_a_log_without_what_was_labelled_is_refused() -> None:
    logged = pd.DataFrame({"request_id": ["a"], "text": ["hola"], "label": ["greeting"]})
    labels = pd.DataFrame({"request_id": ["a"], "label": ["bye"], "timestamp": ""})
    with pytest.raises(DataError, match="no column 'title'"):
        labelling.training_rows(logged, labels, "catalogue")
