"""A tour of model families on one sample store: pipeline, service, the documented examples as requests."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitrina.artifacts import read_json
from vitrina.demo.shell import Shell, StepFailed, free_port
from vitrina.demo.traffic import Connection
from vitrina.evaluation.report import METRICS
from vitrina.settings import Settings
from vitrina.training.spec import FamilySpec

SHOWN = 160  # characters of an answer
SEARCHED = ("product_embedder",)
"""Families whose service also searches an index of the catalogue."""


@dataclass(frozen=True)
class Tour:
    """Which families, how their models are trained (without a `preset`, by `fitting_preset`), how large the shop is."""

    families: tuple[str, ...]
    preset: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    products: int = 1500
    seed: int = 7
    keep: bool = False


class Guide:
    """Takes each family of a tour from the sample store's tables to an answering service, in `<home>/tour`."""

    def __init__(self, tour: Tour, settings: Settings) -> None:
        self.tour = tour
        self.home = (settings.home / "tour").resolve()
        environment = {"VITRINA_HOME": str(self.home), "VITRINA_MLFLOW_PORT": str(free_port(settings.mlflow_port))}
        self.shell = Shell(environment)
        self.facts: dict[str, str] = {}

    def run(self) -> None:
        """The whole tour; services are stopped at its end unless they are to be kept."""
        if self.home.exists():
            self.shell.vitrina("down")
            shutil.rmtree(self.home)
        try:
            self.facts["MLflow"] = str(self.shell.vitrina("up")["url"])
            tables = self._tables()
            for family in self.tour.families:
                self._visit(family, tables)
        finally:
            if not self.tour.keep:
                self.shell.vitrina("down")

    def _tables(self) -> dict[str, str]:
        with self.shell.step("Data: a sample store") as step:
            counts = {"products": self.tour.products, "users": 800, "interactions": 20_000, "messages": 3000}
            options = [f"--{name}={value}" for name, value in counts.items()]
            seed = f"--seed={self.tour.seed}"
            made = self.shell.vitrina("sample", "--output", str(self.home / "raw"), *options, seed)
            step.happened = ", ".join(f"{rows} {name}" for name, rows in made["rows"].items())
        return dict(made["tables"])

    def _visit(self, family: str, tables: dict[str, str]) -> None:
        from vitrina.families import catalog

        spec = catalog.get(family)
        used = {name: tables[name] for name in (*spec.tables, *spec.optional_tables) if name in tables}
        with self.shell.step(f"{family}: {spec.summary}") as step:
            preset = self.tour.preset or fitting_preset(spec)
            run = self._pipeline(family, preset, used)
            if not run["outputs"]["promote"]["Output"]:
                raise StepFailed(f"The model was rejected: {self.shell.vitrina('models', family)[0]['reasons']}.")
            metrics = read_json(Path(run["outputs"]["evaluate"]["evaluation"]) / METRICS)["metrics"]
            step.happened = f"trained and promoted: {spec.primary_metric} {metrics[spec.primary_metric]:.3f}"
        index = self._index(family, tables) if family in SEARCHED else None
        self._serve(family, index)

    def _pipeline(self, family: str, preset: str, tables: dict[str, str]) -> dict[str, Any]:
        given = {
            "family": family,
            "tables": json.dumps(tables),
            "preset": preset,
            "overrides": json.dumps(self.tour.overrides),
            "seed": str(self.tour.seed),
        }
        return self._run("training", given)

    def _index(self, family: str, tables: dict[str, str]) -> str:
        folder = str(self.home / "index")
        with self.shell.step(f"{family}: the catalogue embedded in shards, and its index") as step:
            given = {
                "model": f"models:/{family}@champion",
                "tables": json.dumps({"catalogue": tables["catalogue"]}),
                "embeddings": str(self.home / "embeddings"),
                "search_index": folder,
                "products_a_shard": "500",
            }
            run = self._run("embedding", given)
            step.happened = f"{len([task for task in run['tasks'] if task['name'] == 'embed'])} shards → {folder}"
        return folder

    def _run(self, pipeline: str, given: dict[str, str]) -> dict[str, Any]:
        options = [part for key, value in given.items() for part in ("--param", f"{key}={value}")]
        return dict(self.shell.vitrina("pipeline", "run", pipeline, *options))

    def _serve(self, family: str, index: str | None) -> None:
        with self.shell.step(f"{family}: served, and asked what its OpenAPI document shows") as step:
            options = ["--port", str(free_port(3000)), *(["--index", index] if index else [])]
            url = str(self.shell.vitrina("serve", family, "--detach", *options)["url"])
            with Connection(url) as ask:
                paths = ask("GET", "/docs.json")["paths"]
                answers = {path: ask("POST", path, example) for path, example in _examples(paths).items()}
            step.happened = "\n  ".join(f"POST {path} → {_short(answer)}" for path, answer in answers.items())
        self.facts[family] = f"{url}  (/docs.json)"

    def table(self) -> list[tuple[str, str]]:
        """What happened, and where to look."""
        steps = [(step.name, f"{step.happened}  ({step.seconds:.0f} s)") for step in self.shell.steps]
        ended = {} if self.tour.keep else {"Services": "stopped; --keep leaves them running"}
        return [*steps, *({**self.facts, "All of it": str(self.home)} | ended).items()]


def fitting_preset(spec: FamilySpec) -> str:
    """How a family learns from so small a shop: `demo` where it has that preset, else `base`."""
    return "demo" if (spec.folder / "presets" / "demo.yaml").is_file() else "base"


def _examples(paths: dict[str, Any]) -> dict[str, Any]:
    """Path → example body of every POST route but feedback."""
    found = {}
    for path, methods in paths.items():
        body = methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        if path != "/feedback" and "{" not in path and "example" in body:
            found[path] = body["example"]
    return found


def _short(answer: Any) -> str:
    text = json.dumps(answer, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
