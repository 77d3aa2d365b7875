"""The model card: every section is there when its facts are, and its header is what the hub reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from vitrina.training.model_card import write_card

FACTS: dict[str, Any] = {
    "name": "intents",
    "family": "intent_classifier",
    "summary": "Says what a customer's message wants.",
    "task": "text-classification",
    "base_model": "sentence-transformers/all-MiniLM-L6-v2",
    "teacher": "intents.teacher",
    "code_version": "0123abc",
    "data_version": "89abcdef01234567",
    "rows": {"train": 900, "validation": 100, "test": 100},
    "languages": {"en": 500, "es": 400},
    "preset": {"name": "fast", "model": {"width": 128}, "training": {"epochs": 3.0}},
    "seed": 7,
    "training": {"seconds": 12.5, "steps": 90, "best_step": 60, "loss": 0.21},
    "metrics": {"accuracy": 0.97251, "macro_f1": 0.96, "calibration_error": 0.012},
    "slices": [
        {"slice": "language", "value": "es", "rows": 40, "accuracy": 0.95},
        {"slice": "length", "value": "1-3 | 4", "rows": 20, "accuracy": 0.9},
        {"slice": "language", "value": "fr", "rows": 0, "accuracy": None},
    ],
    "behaviour": [{"check": "typos", "cases": 50, "passed": 48, "rate": 0.96, "failures": []}],
    "decisions": {"temperature": 1.3, "threshold": 0.42},
    "export": {"torch_onnx_max_difference": 1e-06, "int8_loss": 0.001},
    "environment": {"python": "3.11.7", "cores": 2, "gpu": None, "libraries": {"torch": "2.13.0"}},
}
SECTIONS = [
    "Intended use and limits", "Training data", "Training procedure", "Evaluation", "Calibration and thresholds",
    "Slices", "Behavioural checks", "Export", "How to use", "Environment",
]  # fmt: skip


def written(folder: Path, **changes: Any) -> str:
    facts = {**FACTS, **changes}
    write_card(folder / "README.md", {name: value for name, value in facts.items() if value is not None})
    return (folder / "README.md").read_text()


def test_a_card_has_every_section_in_order(tmp_path: Path) -> None:
    assert re.findall(r"^#{2,3} (.+)$", written(tmp_path), re.MULTILINE) == SECTIONS


@pytest.mark.parametrize(
    "pattern",
    [
        r"^# intents$",
        r"preset `fast`",
        r"starts from the pretrained `sentence-transformers/all-MiniLM-L6-v2`",
        r"distilled from `intents.teacher`",
        r"`89abcdef01234567`, rows: train 900, validation 100, test 100\.",
        r"Languages of the training rows: en 500, es 400\.",
        r"seed 7, code `0123abc`",
        r"^  width: 128$",
        r"^\| accuracy \| 0\.9725 \|$",
        r"^\| slice \| value \| rows \| accuracy \|$",
        r"^\| language \| es \| 40 \| 0\.95 \|$",
        r"^\| length \| 1-3 \\\| 4 \| 20 \| 0\.9 \|$",
        r"^\| typos \| 50 \| 48 \| 0\.96 \|$",
        r"^\| temperature \| 1\.3 \|$",
        r"^\| torch_onnx_max_difference \| 1e-06 \|$",
        r"^vitrina evaluate intent_classifier --model intents",
        r"catalog\.get\(\"intent_classifier\"\)\.serving\.load",
        r"^\| libraries\.torch \| 2\.13\.0 \|$",
    ],
)
def test_a_card_states_its_facts(pattern: str, tmp_path: Path) -> None:
    assert re.search(pattern, written(tmp_path), re.MULTILINE), pattern


def test_the_header_is_what_the_hub_reads(tmp_path: Path) -> None:
    written(tmp_path)
    header = ModelCard.load(tmp_path / "README.md").data
    assert header.license == "apache-2.0"
    assert header.library_name == "transformers"
    assert header.pipeline_tag == "text-classification"
    assert header.base_model == FACTS["base_model"]
    assert header.language == ["en", "es"]
    assert header.datasets == ["vitrina/intent_classifier-89abcdef01234567"]
    assert {"vitrina", "intent_classifier", "fast"} == set(header.tags)
    assert header.eval_results is not None
    assert {one.metric_type: one.metric_value for one in header.eval_results} == FACTS["metrics"]


@pytest.mark.parametrize(
    ("fact", "heading"),
    [
        ("slices", "### Slices"),
        ("behaviour", "### Behavioural"),
        ("decisions", "### Calibration"),
        ("export", "### Export"),
        ("teacher", "It is a student"),
        ("base_model", "It starts from"),
        ("languages", "Languages of"),
    ],
)
def test_what_is_not_known_is_not_mentioned(fact: str, heading: str, tmp_path: Path) -> None:
    assert heading in written(tmp_path)
    assert heading not in written(tmp_path, **{fact: None})


def test_empty_slices_and_missing_facts_are_left_out(tmp_path: Path) -> None:
    text = written(tmp_path)
    assert "| fr |" not in text
    assert "None" not in text
    assert "{{" not in text


def test_a_card_shows_pictures_and_samples_and_links_tables(tmp_path: Path) -> None:
    (tmp_path / "samples.md").write_text("# Samples\n\n## Good\n\n- a #1 chair\n")
    text = written(tmp_path, files=["classes.csv", "good_and_bad.png", "samples.md"])
    assert "- [classes.csv](classes.csv)\n" in text
    assert "![good and bad](good_and_bad.png)\n" in text
    assert "### Samples\n\n#### Good\n\n- a #1 chair\n" in text
