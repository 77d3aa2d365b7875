"""Which messages a person should label next, and their way back: Label Studio JSON or CSV out, training rows in."""

from __future__ import annotations

import csv
import json
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from vitrina.artifacts import read_json, write_json, write_text
from vitrina.contracts import table_named
from vitrina.data.sources.files import read_frame
from vitrina.errors import DataError
from vitrina.monitoring.drift import nearest_distance
from vitrina.monitoring.feedback import join

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.training.spec import Predictor

TASKS, TABLE, CONFIG = "tasks.json", "tasks.csv", "label_config.xml"
SHOWN = ("request_id", "text", "language", "predicted", "confidence", "novelty", "reason")
CANDIDATES = 10_000
NEIGHBOURS = 10
LABELLED = {"messages": ("text", "intent"), "catalogue": ("title", "category")}
"""Tables that labels become rows of: the column of what was labelled, and of the label."""

SPACING = 0.5
"""Two chosen messages are at least this share of the reference's median nearest-neighbour distance apart."""


def choose(
    window: pd.DataFrame, predictor: Predictor, reference: np.ndarray, count: int, seed: int = 0
) -> pd.DataFrame:
    """At most `count` rows that are worth a label: half the least certain, half the most drifted, no two alike.

    On CLINC150 with five unknown intents in 7% of the traffic, 89 of 100 rows chosen by `novelty` were of those
    intents; of the 100 furthest from the reference 13 were, and farthest-point selection did worse still.

    Args:
        window: predictions with `text`, `label`, `confidence`; at most `CANDIDATES` random ones are looked at.
        reference: (rows, dimension) embeddings of the model's reference.

    Returns:
        The columns `SHOWN`; `reason` is `uncertain` or `drifted`.
    """
    rows = window[window["text"].fillna("").str.strip() != ""]
    same = rows["text"].str.casefold().str.split().str.join(" ")
    rows = rows[~same.duplicated(keep="last")]
    rows = rows.sample(min(len(rows), CANDIDATES), random_state=seed).reset_index(drop=True)
    if len(rows) < 2:
        return rows.rename(columns={"label": "predicted"}).reindex(columns=list(SHOWN))
    embeddings = np.asarray(predictor.embed(rows), dtype=np.float32)
    rows["novelty"] = novelty(embeddings, reference)
    gap = SPACING * float(np.median(nearest_distance(reference, reference, itself=True)))
    uncertain = _apart(np.argsort(rows["confidence"].to_numpy()), embeddings, (count + 1) // 2, gap, [])
    novel = _apart(np.argsort(-rows["novelty"].to_numpy()), embeddings, count - len(uncertain), gap, uncertain)
    chosen = rows.loc[[*uncertain, *novel]].rename(columns={"label": "predicted"})
    chosen["reason"] = ["uncertain"] * len(uncertain) + ["drifted"] * len(novel)
    return chosen.reindex(columns=list(SHOWN)).reset_index(drop=True)


def novelty(rows: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """How much denser the window is than the reference around each of its rows: log ratio of k-NN distances.

    High where many new messages are close to each other and far from all known ones; a lone oddity is not new
    (nearest-neighbour density ratio; Wang, Kulkarni and Verdu, IEEE Trans. Inf. Theory 2009).
    """
    count = min(NEIGHBOURS, len(rows) - 1, len(reference))
    known = nearest_distance(rows, reference, count=count)
    among = nearest_distance(rows, rows, itself=True, count=count)
    return np.log((known + 1e-6) / (among + 1e-6))


def _apart(ranked: np.ndarray, embeddings: np.ndarray, count: int, gap: float, taken: Sequence[int]) -> list[int]:
    """The best ranked rows, up to `count`, that are at least `gap` from each other and from those taken before."""
    picked: list[int] = []
    for candidate in ranked:
        if len(picked) == count:
            break
        others = embeddings[[*taken, *picked]]
        if (np.linalg.norm(others - embeddings[candidate], axis=1) >= gap).all():
            picked.append(int(candidate))
    return picked


def known_labels(folder: Path, reference: pd.DataFrame, chosen: pd.DataFrame) -> list[str]:
    """Every label a person may choose: the model's own, those of its reference, those it predicted."""
    path = folder / "labels.json"
    own = read_json(path).get("labels", []) if path.is_file() else []
    return sorted({*own, *reference["label"].dropna(), *chosen["predicted"].dropna()})


def write_tasks(chosen: pd.DataFrame, labels: Sequence[str], model_version: str, folder: Path) -> None:
    """Write `tasks.json` (Label Studio, with the model's guess), `label_config.xml` and `tasks.csv` into `folder`.

    In the CSV a person fills the empty column `label`.
    """
    rows = json.loads(chosen.to_json(orient="records"))
    write_json(folder / TASKS, [_task(row, model_version) for row in rows])
    write_text(folder / CONFIG, _config(labels))
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*SHOWN, "label"], restval="")
        writer.writeheader()
        writer.writerows(rows)


def _task(row: dict[str, Any], model_version: str) -> dict[str, Any]:
    guess = {"from_name": "label", "to_name": "text", "type": "choices"}
    return {
        "data": {name: row[name] for name in SHOWN},
        "predictions": [
            {
                "model_version": model_version,
                "score": row["confidence"],
                "result": [{"id": "guess", **guess, "value": {"choices": [row["predicted"]]}}],
            }
        ],
    }


def _config(labels: Sequence[str]) -> str:
    """The labelling interface: one choice, or a name for an intent that does not exist yet."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Text", name="text", value="$text")
    choices = ElementTree.SubElement(view, "Choices", name="label", toName="text", choice="single")
    for label in labels:
        ElementTree.SubElement(choices, "Choice", value=label)
    ElementTree.SubElement(
        view, "TextArea", name="new_label", toName="text", maxSubmissions="1", placeholder="A new label"
    )
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def labelled_rows(path: Path, table: str = "messages") -> pd.DataFrame:
    """A labelled file → rows of a canonical table of `LABELLED`; rows that nobody labelled are left out.

    Takes Label Studio's exports JSON, JSON-MIN and CSV, and the CSV of `vitrina label` with its column filled in.

    Raises:
        UsageError: when the file is missing or of another kind.
        DataError: when it cannot be read or has neither text nor labels.
    """
    import pandas as pd

    rows = [_labelled(row) for row in read_frame(path).to_dict("records")]
    if any(not isinstance(row["text"], str) or not row["text"].strip() for row in rows if row["label"]):
        raise DataError(f"{path}: a labelled task has no text.")
    given = pd.DataFrame([row for row in rows if row["label"]])
    if given.empty:
        raise DataError(f"{path} holds no label: fill the column 'label' or export annotated tasks.")
    return _canonical(given, table)


def _labelled(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    """Text, label (empty: none), language and request of one exported row."""
    data = row["data"] if isinstance(row.get("data"), dict) else row
    if "annotations" in row:
        found = _annotated(row["annotations"])
    else:
        found = str(row.get("new_label") or row.get("label") or "").strip()
    return {"label": found, **{name: data.get(name) for name in ("text", "language", "request_id")}}


def _annotated(annotations: Any) -> str:
    """The label of the latest annotation that was not cancelled; a new label beats a choice."""
    valid = [each for each in annotations or [] if not each.get("was_cancelled")]
    if not valid:
        return ""
    latest = max(valid, key=lambda each: str(each.get("updated_at") or each.get("created_at") or ""))
    values = {result.get("from_name"): result.get("value", {}) for result in latest.get("result", [])}
    new = values.get("new_label", {}).get("text") or [""]
    choice = values.get("label", {}).get("choices") or [""]
    written = new if isinstance(new, str) else new[0]
    return str(written or choice[0]).strip()


def training_rows(predictions: pd.DataFrame, feedback: pd.DataFrame, table: str = "messages") -> pd.DataFrame:
    """Logged rows whose true label came back, as rows of a canonical table of `LABELLED`."""
    text, _ = LABELLED[table]
    joined = join(predictions, feedback).drop(columns="label").rename(columns={"true_label": "label"})
    if text not in joined:
        raise DataError(f"The prediction log has no column '{text}', which the table {table} needs.")
    return _canonical(joined.drop(columns="text", errors="ignore").assign(text=joined[text]), table)


def _canonical(given: pd.DataFrame, table: str) -> pd.DataFrame:
    """The table's own columns: text and label in theirs, what else is known, defaults; no repeated row."""
    text, label = LABELLED[table]
    contract = table_named(table)
    predicted = {text, label} - {"text", "label"}  # what the log holds under these names is not what the person said
    frame = given[given["text"].notna()].drop(columns=list(predicted), errors="ignore")
    frame = frame.rename(columns={"text": text, "label": label})
    frame = frame.reindex(columns=[*contract.names, *frame.columns.difference(contract.names)])
    for column in contract.columns:
        if column.default is not None:
            frame[column.name] = frame[column.name].fillna(column.default)
    for key in contract.key:  # what was labelled may have come without a name of its own
        frame[key] = frame[key].fillna(frame["request_id"])
    frame = frame.drop_duplicates(list(contract.key) or [text, label], keep="last")[contract.names]
    return frame.astype(object).where(frame.notna(), None).reset_index(drop=True)
