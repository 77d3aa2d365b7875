"""The toy family installed through the real entry point, its model folder, seeded traffic and real prediction logs."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vitrina.artifacts import MANIFEST, write_manifest
from vitrina.contracts.http import PredictionRecord
from vitrina.families import catalog
from vitrina.serving.prediction_log import PredictionLog
from vitrina.training.spec import Predictor

TOY = Path(__file__).parent / "toy"
TOPICS = {
    "delivery": "parcel courier shipped arrive track late address door",
    "refund": "refund money return receipt back charged amount bank",
    "sizes": "size small large fits measure tight sleeve waist",
    "payment": "card declined pay invoice coupon checkout visa transfer",
}
FILLER = ["my", "the", "please", "about", "order", "hello", "when", "can", "you", "is", "with", "for", "from"]
NEW_WORDS = ["subscription", "loyalty", "points", "tier", "reward", "monthly", "renewal", "member", "gift", "balance"]

Traffic = Callable[..., pd.DataFrame]
WriteLog = Callable[..., Path]


def messages(count: int, seed: int, new: float = 0.0, spanish: float = 0.3, short: bool = False) -> pd.DataFrame:
    """Seeded messages: `new` is the share whose topic words nobody has seen before."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        topic = str(rng.choice(list(TOPICS), p=[0.4, 0.3, 0.2, 0.1]))
        words = NEW_WORDS if rng.random() < new else TOPICS[topic].split()
        length = int(rng.integers(1, 3)) if short else int(rng.integers(3, 9))
        chosen = [*rng.choice(words, 3), *rng.choice(FILLER, length)]
        language = "es" if rng.random() < spanish else "en"
        rows.append({"text": " ".join(rng.permutation(chosen)), "language": language, "truth": topic})
    return pd.DataFrame(rows)


def served_version(folder: Path) -> str:
    """How a service that loads this folder names its version."""
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()[:12]


@pytest.fixture
def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def traffic() -> Traffic:
    """The generator of seeded messages."""
    return messages


@pytest.fixture
def toy_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the family `message_toy`."""
    metadata = tmp_path / "site" / "message_toy-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "entry_points.txt").write_text("[vitrina.families]\nmessage_toy = message_toy.spec:SPEC\n")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: message-toy\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.syspath_prepend(str(TOY))


@pytest.fixture
def model(tmp_path: Path, toy_family: None) -> Path:
    """A model folder with a reference of 1,500 messages, evaluated accuracy 0.95, made on 2026-11-01."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "topics.json").write_text(json.dumps(TOPICS))
    (folder / "labels.json").write_text(json.dumps({"labels": [*TOPICS, "gift_wrapping"]}))
    (folder / "metrics.json").write_text(json.dumps({"metrics": {"accuracy": 0.95}}))
    predictor = load_predictor(folder)
    reference = messages(1500, seed=1)
    frame = predictor.predict_frame(reference)
    frame["embedding"] = list(predictor.embed(reference))
    frame.to_parquet(folder / "reference.parquet")
    write_manifest(folder, family="message_toy", created_at="2026-11-01T00:00:00+00:00")
    return folder


def load_predictor(folder: Path) -> Predictor:
    return catalog.get("message_toy").serving.load(folder)


@pytest.fixture
def write_log(tmp_path: Path, model: Path) -> WriteLog:
    """Predict messages with the model and log them as a service does; returns the log's folder."""

    def write(traffic: pd.DataFrame, name: str = "logs", version: str | None = None, start: int = 0) -> Path:
        log = PredictionLog(tmp_path / name, dropped=lambda count: pytest.fail(f"{count} lines dropped"))
        predicted = load_predictor(model).predict_frame(traffic)
        for number, row in enumerate(predicted.to_dict("records"), start):
            log.append(
                PredictionRecord(
                    request_id=f"r{number}",
                    timestamp=datetime.now(UTC),
                    model="message_toy",
                    version=version or served_version(model),
                    **{str(key): value for key, value in row.items()},
                )
            )
        log.close()
        return log.folder

    return write
