"""The model card: what a model is, what it was made of, what was measured, in the hub's format."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vitrina.artifacts import write_text

TEMPLATE = Path(__file__).with_name("model_card.md.in")
SHOWN_SLICES = 40
LIMITS = (
    "For an online shop's own traffic in the languages and wordings of its training data; nothing is known about "
    "others.",
    "Its confidence is calibrated on the validation rows below, and only for traffic that resembles them: watch drift.",
    "A person should see what it is unsure of, and it should not decide alone on anything that harms when wrong.",
    "No personal data is needed at prediction time; texts are stored only in the prediction log of the serving "
    "machine.",
)
SPLITS = "Splits are chosen by a hash of each row's content, so a held-out row stays held out in later versions."


def write_card(path: Path, facts: Mapping[str, Any]) -> None:
    """Write a card from plain facts.

    Args:
        facts: `name`, `family`, `summary`, `code_version`, `data_version`, `rows` (split → count), `preset` (name and
            sections), `seed`, `training` (figures), `metrics`, `environment`; optional `task`, `base_model`, `teacher`,
            `languages` (language → rows), `slices`, `behaviour`, `decisions` (calibration and thresholds),
            `files` (names beside the card: pictures and Markdown are shown, others linked), `export` (parity
            figures), `notes` (a section of the family's own), `limits` and `splits` (sentences, in place of `LIMITS`
            and `SPLITS`).
    """
    import yaml
    from huggingface_hub import ModelCard

    slices = [one for one in facts.get("slices", []) if one.get("rows")]
    card = ModelCard.from_template(
        _header(facts),
        template_path=str(TEMPLATE),
        facts=facts,
        limits=facts.get("limits") or LIMITS,
        splits=facts.get("splits") or SPLITS,
        preset=yaml.safe_dump(facts["preset"], sort_keys=False, allow_unicode=True).strip(),
        metrics=_table(("metric", "value"), facts["metrics"].items()),
        slices=_slices(slices[:SHOWN_SLICES]),
        behaviour=_table(
            ("check", "cases", "passed", "rate"),
            [[check[name] for name in ("check", "cases", "passed", "rate")] for check in facts.get("behaviour", [])],
        ),
        decisions=_table(("setting", "value"), facts.get("decisions", {}).items()),
        files=_files(path.parent, facts.get("files") or ()),
        export=_table(("figure", "value"), _scalars(facts.get("export", {}))),
        training=_table(("figure", "value"), facts["training"].items()),
        environment=_table(("what", "value"), _scalars(facts["environment"])),
    )
    write_text(path, str(card))


def _files(folder: Path, names: Sequence[str]) -> str:
    """Pictures and Markdown as they are, the headings two levels lower; links to other files."""
    links = [f"- [{name}]({name})" for name in names if Path(name).suffix not in (".png", ".md")]
    shown = ["\n".join(links)] if links else []
    for name in names:
        if name.endswith(".png"):
            shown.append(f"![{Path(name).stem.replace('_', ' ')}]({name})")
        elif name.endswith(".md"):
            shown.append(re.sub(r"^#", "###", (folder / name).read_text(encoding="utf-8").strip(), flags=re.M))
    return "\n\n".join(shown)


def _header(facts: Mapping[str, Any]) -> Any:
    """The YAML header the hub reads."""
    from huggingface_hub import EvalResult, ModelCardData

    task = facts.get("task")
    measured = [
        EvalResult(
            task_type=task or "other",
            dataset_type="vitrina",
            dataset_name=f"{facts['family']} {facts['data_version']}",
            dataset_split="validation",
            metric_type=name,
            metric_value=value,
        )
        for name, value in facts["metrics"].items()
    ]
    return ModelCardData(
        license="apache-2.0",
        library_name="transformers",
        pipeline_tag=task,
        language=sorted(facts.get("languages", {})) or None,
        base_model=facts.get("base_model"),
        datasets=[f"vitrina/{facts['family']}-{facts['data_version']}"],
        metrics=sorted(facts["metrics"]),
        tags=["vitrina", facts["family"], facts["preset"]["name"]],
        model_name=facts["name"],
        eval_results=measured or None,
    )


def _table(head: Sequence[str], rows: Any) -> str:
    """A Markdown table; empty text when there are no rows."""
    lines = ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *lines])


def _slices(slices: Sequence[Mapping[str, Any]]) -> str:
    names = [
        name for name in dict.fromkeys(key for one in slices for key in one) if name not in ("slice", "value", "rows")
    ]
    head = ["slice", "value", "rows", *names]
    return _table(head, [[one.get(name, "") for name in head] for one in slices])


def _scalars(facts: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested facts as dotted name, value."""
    rows: list[tuple[str, Any]] = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            rows += _scalars(value, f"{prefix}{name}.")
        elif value is not None:
            rows.append((f"{prefix}{name}", value))
    return rows


def _cell(value: Any) -> str:
    text = str(value)
    if isinstance(value, float):
        text = f"{value:.4g}" if abs(value) < 1 else f"{value:.2f}".rstrip("0").rstrip(".")
    return text.replace("|", "\\|").replace("\n", " ")
