"""CLINC150 (Larson et al., EMNLP 2019): 150 intents in 10 domains and out-of-scope queries, in English."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vitrina.artifacts import read_json
from vitrina.contracts.messages import OUT_OF_SCOPE
from vitrina.data.sources import RawRows
from vitrina.errors import DataError

TABLE = "messages"
FILES = ("data_full.json", "data_full_no_test.json")  # the authors' file first
SPLITS = {"train": "train", "val": "validation", "test": "test"}


def matches(folder: Path) -> bool:
    """Whether the authors' file, or the same without its test lists, is there."""
    return any((folder / name).is_file() for name in FILES)


def read(folder: Path) -> RawRows:
    """Lists of [text, intent] named train, val, test and oos_train, oos_val, oos_test; domains.json if present."""
    found = [folder / name for name in FILES if (folder / name).is_file()]
    if not found:
        raise DataError(f"{folder} has none of {', '.join(FILES)}.")
    content = read_json(found[0])
    domains = _domains(folder / "domains.json")
    rows = []
    for source, split in SPLITS.items():
        for text, intent in (*content.get(source, []), *content.get(f"oos_{source}", [])):
            name = OUT_OF_SCOPE if intent == "oos" else intent
            rows.append((text, name, "en", split, domains.get(name)))
    if not rows:
        raise DataError(f"{found[0]} has none of the lists {', '.join(SPLITS)}.")
    frame = pd.DataFrame(rows, columns=["text", "intent", "language", "split", "domain"], dtype=object)
    return RawRows(frame.set_axis(range(1, len(frame) + 1)))


def _domains(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    return {intent: domain for domain, intents in read_json(path).items() for intent in intents}
