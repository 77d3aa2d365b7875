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
from vitrina.contracts.messages import MESSAGES
from vitrina.data.sources.files import read_frame
from vitrina.errors import DataError
from vitrina.monitoring.drift import nearest_distance
from vitrina.monitoring.feedback import join

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.training.spec import Predictor

TASKS, TABLE, CONFIG = "tasks.json", "tasks.csv", "label_config.xml"
SHOWN = ("request_id", "text", "language", "predicted", "confidence", "distance", "reason")
CANDIDATES = 20_000
POOL = 5
"""Each choice is spread over this many times the wanted rows: enough for variety, few enough to stay extreme."""


def choose(
    window: pd.DataFrame, predictor: Predictor, reference: np.ndarray, count: int, seed: int = 0
) -> pd.DataFrame:
    """The `count` rows most worth a label: half the least certain, half the furthest from the reference.

    Equal messages (case and spaces aside) are one candidate. Both halves are spread out by farthest-point selection
    (k-center; Sener and Savarese, ICLR 2018), so that they are not variants of one message.

    Args:
        window: predictions with `text`, `label`, `confidence`; at most `CANDIDATES` random ones are looked at.
        reference: (rows, dimension) embeddings of the model's reference.

    Returns:
        The columns `SHOWN`; `reason` is `uncertain` or `drifted`, `distance` that to the nearest reference message.
    """
    rows = window[window["text"].fillna("").str.strip() != ""]
    same = rows["text"].str.casefold().str.split().str.join(" ")
    rows = rows[~same.duplicated(keep="last")]
    rows = rows.sample(min(len(rows), CANDIDATES), random_state=seed).reset_index(drop=True)
    if rows.empty:
        return rows.reindex(columns=list(SHOWN))
    embeddings = np.asarray(predictor.embed(rows), dtype=np.float32)
    rows["distance"] = nearest_distance(embeddings, reference)
    uncertain = _spread(np.argsort(rows["confidence"].to_numpy()), embeddings, (count + 1) // 2, [])
    furthest = [i for i in np.argsort(-rows["distance"].to_numpy()) if i not in set(uncertain)]
    drifted = _spread(np.asarray(furthest, dtype=int), embeddings, count - len(uncertain), uncertain)
    chosen = rows.loc[[*uncertain, *drifted]].rename(columns={"label": "predicted"})
    chosen["reason"] = ["uncertain"] * len(uncertain) + ["drifted"] * len(drifted)
    return chosen.reindex(columns=list(SHOWN)).reset_index(drop=True)


def _spread(ranked: np.ndarray, embeddings: np.ndarray, count: int, chosen: Sequence[int]) -> list[int]:
    """`count` of the best `POOL` x `count` ranked rows, each the furthest from those already taken."""
    pool = ranked[: POOL * count]
    if len(pool) <= count:
        return [int(i) for i in pool]
    distance = np.full(len(pool), np.inf, dtype=np.float32)
    for taken in chosen:
        distance = np.minimum(distance, np.linalg.norm(embeddings[pool] - embeddings[taken], axis=1))
    picked: list[int] = []
    while len(picked) < count:
        best = int(distance.argmax())  # the first is the best ranked
        picked.append(int(pool[best]))
        gap = np.linalg.norm(embeddings[pool] - embeddings[pool[best]], axis=1)
        distance = np.minimum(distance, gap)
        distance[best] = -1
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


def labelled_to_messages(path: Path) -> pd.DataFrame:
    """A labelled file → the canonical `messages` table; rows that nobody labelled are left out.

    Takes Label Studio's exports JSON, JSON-MIN and CSV, and the CSV of `vitrina label` with its column filled in.

    Raises:
        UsageError: when the file is missing or of another kind.
        DataError: when it cannot be read or has neither text nor labels.
    """
    rows = read_frame(path).to_dict("records")
    return _messages(path, [_labelled(row) for row in rows])


def _labelled(row: Mapping[Hashable, Any]) -> tuple[Any, str, Any]:
    """Text, label (empty: none) and language of one exported row."""
    data = row["data"] if isinstance(row.get("data"), dict) else row
    if "annotations" in row:
        found = _annotated(row["annotations"])
    else:
        found = str(row.get("new_label") or row.get("label") or "").strip()
    return data.get("text"), found, data.get("language")


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


def _messages(path: Path, rows: Sequence[tuple[Any, str, Any]]) -> pd.DataFrame:
    import pandas as pd

    if any(not isinstance(text, str) or not text.strip() for text, label, _ in rows if label):
        raise DataError(f"{path}: a labelled task has no text.")
    frame = pd.DataFrame(
        [(text, label, language or "und") for text, label, language in rows if label],
        columns=["text", "intent", "language"],
    )
    if frame.empty:
        raise DataError(f"{path} holds no label: fill the column 'label' or export annotated tasks.")
    return _canonical(frame)


def training_rows(predictions: pd.DataFrame, feedback: pd.DataFrame) -> pd.DataFrame:
    """Logged messages whose true label came back, as rows of the canonical `messages` table."""
    joined = join(predictions, feedback)
    frame = joined.rename(columns={"true_label": "intent"})[["text", "intent", "language"]]
    frame["language"] = frame["language"].fillna("und")
    return _canonical(frame[frame["text"].notna()])


def _canonical(frame: pd.DataFrame) -> pd.DataFrame:
    """The table's own columns; no split (chosen by hash later), no repeated row."""
    frame = frame.assign(split="", domain=None).drop_duplicates(["text", "intent"])
    return frame[MESSAGES.names].reset_index(drop=True)
