"""A toy family installed through the real entry point, its data and model folders, and a registry of their own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from registry_support import WORDS, MakeModel, evaluation_of, free_port

from vitrina.artifacts import write_manifest
from vitrina.registry import server

TOY = Path(__file__).parent / "toy"
ENVIRONMENT = ("TRACKING_URI", "BACKEND_STORE_URI", "MLFLOW_PORT")


@pytest.fixture(scope="session")
def toy_path(install_family: Callable[..., Path]) -> str:
    """The folders that, on the Python path, make the toy family an installed one."""
    return os.pathsep.join((str(install_family("keyword_rules")), str(TOY)))


@pytest.fixture
def new_home(tmp_path: Path, toy_path: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh VITRINA_HOME without a registry, the toy family installed, no other VITRINA_* settings."""
    home = tmp_path / "home"
    monkeypatch.setenv("VITRINA_HOME", str(home))
    for name in ENVIRONMENT:
        monkeypatch.delenv(f"VITRINA_{name}", raising=False)
    monkeypatch.setenv("PYTHONPATH", toy_path)
    for folder in toy_path.split(os.pathsep):
        monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(tmp_path)
    return home


@pytest.fixture
def home(new_home: Path, empty_database: Path) -> Path:
    """A home whose registry is an empty sqlite database."""
    new_home.mkdir()
    shutil.copy(empty_database, new_home / "mlflow.db")
    return new_home


@pytest.fixture
def services(new_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose services are stopped at the end, with a free port for MLflow."""
    monkeypatch.setenv("VITRINA_MLFLOW_PORT", str(free_port()))
    yield new_home
    for service in server.services():
        server.stop(service.name, grace=3)


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    """A prepared folder with 400 test rows: four intents, two languages."""
    rows = [
        {
            "row_id": f"r{number}",
            "text": f"about my {word} number {number}",
            "intent": WORDS[word],
            "language": "es" if number % 2 else "en",
        }
        for number in range(100)
        for word in WORDS
    ]
    for position, row in enumerate(rows):
        row["row_id"] = f"r{position}"
    folder = tmp_path / "data"
    folder.mkdir()
    pd.DataFrame(rows).to_csv(folder / "test.csv", index=False)
    return folder


@pytest.fixture
def make_model(tmp_path: Path, held_out: Path) -> MakeModel:
    """Write a model folder that knows some of the words, and its evaluation beside it; returns the folder."""

    def make(name: str, words: tuple[str, ...] = tuple(WORDS), **files: dict[str, float]) -> Path:
        from keyword_rules import data, metrics, serving

        folder = tmp_path / name
        folder.mkdir()
        (folder / "rules.json").write_text(json.dumps({word: WORDS[word] for word in words}))
        (folder / "README.md").write_text(f"# {name}\n")
        for file, content in files.items():
            (folder / f"{file}.json").write_text(json.dumps(content))
        examples = data.read_examples(held_out, "test")
        predictor = serving.load(folder)
        predictor.predict_frame(examples).head(50).to_parquet(folder / "reference.parquet")
        metrics.evaluate(predictor, examples).write(evaluation_of(folder))
        facts = {"family": "keyword_rules", "code_version": "abc1234", "data_version": "d1", "seed": 7}
        write_manifest(folder, **facts, preset={"model": {"words": len(words)}, "training": {"epochs": 1}})
        return folder

    return make
