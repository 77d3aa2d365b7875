"""The story of the demo, step by step, and the table it ends with."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitrina.artifacts import read_json
from vitrina.contracts import MESSAGES
from vitrina.data.tables import write_table
from vitrina.demo.shell import Shell, StepFailed, free_port
from vitrina.demo.traffic import Answers, give_feedback, send
from vitrina.demo.world import World, real_world, sample_world
from vitrina.errors import ServiceError
from vitrina.evaluation.report import METRICS
from vitrina.settings import Settings

FAMILY = "intent_classifier"
SWITCH_SECONDS = 60


@dataclass(frozen=True)
class Plan:
    """What the demo runs on.

    Attributes:
        data: a file or folder of the shop's own messages; None: the sample store.
        preset, overrides: how both models are trained.
        messages: size of the sample store's table; `traffic`: messages a phase.
        keep: leave MLflow and the service running.
    """

    data: Path | None = None
    preset: str = "base"
    overrides: dict[str, Any] = field(default_factory=dict)
    messages: int = 4000
    traffic: int = 1000
    seed: int = 7
    keep: bool = False


class Demo:
    """Runs the loop once in `<home>/demo`, which is emptied first."""

    def __init__(self, plan: Plan, settings: Settings) -> None:
        self.plan = plan
        self.home = (settings.home / "demo").resolve()
        self.port = free_port(settings.serve_port)
        environment = {
            "VITRINA_HOME": str(self.home),
            "VITRINA_MLFLOW_PORT": str(free_port(settings.mlflow_port)),
            "VITRINA_SERVE_PORT": str(self.port),
        }
        self.shell = Shell(environment)
        self.facts: dict[str, str] = {}
        self.changed_at = ""

    def run(self) -> None:
        """The whole story; services are stopped at its end unless they are to be kept."""
        if self.home.exists():
            self.shell.vitrina("down")
            shutil.rmtree(self.home)
        try:
            with self._server():
                world = self._world()
                self._first_model()
            url = self._serve()
            self._calm(url, world)
            before = self._change(url, world)
            self._retrain(url, world, before)
        finally:
            if not self.plan.keep:
                self.shell.vitrina("down")

    @contextmanager
    def _server(self) -> Iterator[None]:
        """MLflow starts while the data is made; it is needed when the first model is registered."""
        with ThreadPoolExecutor(1) as pool:
            starting: Future[Any] = pool.submit(self.shell.vitrina, "up")
            self.facts["MLflow"] = "starting"
            yield
            self.facts["MLflow"] = str(starting.result()["url"])

    def _world(self) -> World:
        raw, table = self.home / "raw", self.home / "tables" / "messages.parquet"
        with self.shell.step("Data: a shop's messages, checked against their contract") as step:
            if self.plan.data is None:
                counts = {"products": 200, "users": 200, "interactions": 2000, "messages": self.plan.messages}
                options = [f"--{name}={value}" for name, value in counts.items()]
                made = self.shell.vitrina("sample", "--output", str(raw), *options, f"--seed={self.plan.seed}")
                source = Path(made["tables"]["messages"])
            else:
                source = self.plan.data
            rows = self.shell.vitrina("ingest", "messages", str(source), "--output", str(table))
            make = sample_world if self.plan.data is None else real_world
            world = make(table, self.plan.traffic, self.plan.seed)
            write_table(world.training, MESSAGES, table)
            step.happened = (
                f"{rows['rows']} messages, {rows['quarantined']} in quarantine; {len(world.training)} to train on"
            )
        return world

    @property
    def _table(self) -> str:
        return json.dumps({"messages": str(self.home / "tables" / "messages.parquet")})

    def _pipeline(self, name: str, **parameters: str) -> dict[str, Any]:
        given = {
            "family": FAMILY,
            "tables": self._table,
            "preset": self.plan.preset,
            "overrides": json.dumps(self.plan.overrides),
            "seed": str(self.plan.seed),
        }
        options = [part for key, value in {**given, **parameters}.items() for part in ("--param", f"{key}={value}")]
        return self.shell.vitrina("pipeline", "run", name, *options)

    def _first_model(self) -> None:
        with self.shell.step("Pipeline: validate, prepare, train, evaluate, register, gate, promote, package") as step:
            run = self._pipeline("training")
            if not run["outputs"]["promote"]["Output"]:
                raise StepFailed(f"The first model was rejected: {self._newest()['reasons']}.")
            version, decision = self._champion()
            step.happened = f"version {version}: {decision}; on held-out rows {_measured(run)}"

    def _newest(self) -> dict[str, Any]:
        """The version registered last, with its decision and reasons."""
        return dict(self.shell.vitrina("models", FAMILY)[0])

    def _champion(self) -> tuple[str, str]:
        """The champion's version, and why it was promoted."""
        lines = self.shell.vitrina("models", FAMILY)
        champion = next(line for line in lines if "champion" in line["aliases"])
        return champion["version"], champion["reasons"]

    def _serve(self) -> str:
        with self.shell.step("Service: bentoml serve, int8 ONNX, no torch inside") as step:
            service = self.shell.vitrina("serve", FAMILY, "--detach")
            step.happened = f"ready at {service['url']}"
        self.facts["Service"] = f"{service['url']}  (POST /classify, /metrics, /docs.json)"
        return service["url"]

    def _calm(self, url: str, world: World) -> None:
        with self.shell.step("Calm traffic: the champion stays") as step:
            answers = send(url, world.calm)
            time.sleep(1.5)  # the prediction log is flushed by then
            checked = self._drift_check()
            step.happened = f"{len(answers.rows)} messages, {answers.accuracy:.1%} right; drift: {checked}"

    def _drift_check(self) -> str:
        run = self._pipeline("retraining", predictions=self._log)
        drifted = run["outputs"]["drift"]["Output"]
        version, _ = self._champion()
        return f"{'found' if drifted else 'none'}, champion is version {version}"

    @property
    def _log(self) -> str:
        return str(self.home / "predictions" / FAMILY)

    def _change(self, url: str, world: World) -> Answers:
        half = len(world.later) // 2
        with self.shell.step(f"The world changes: {world.change}") as step:
            self.changed_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            labelled = send(url, world.later[:half])
            given = give_feedback(url, labelled)
            before = send(url, world.later[half:])
            time.sleep(1.5)
            step.happened = f"accuracy falls to {before.accuracy:.1%}; {given} true labels come back by POST /feedback"
        return before

    def _retrain(self, url: str, world: World, before: Answers) -> None:
        with self.shell.step("Retraining pipeline: drift, so merge labels, train, gate, promote, package") as step:
            new = json.dumps({"messages": self._log})  # the log's feedback becomes training rows
            run = self._pipeline("retraining", predictions=self._log, since=self.changed_at, additions=new)
            newest = self._newest()
            version = newest["version"] if newest["decision"] == "promoted" else self._champion()[0]
            decision = f"version {newest['version']} {newest['decision']}, {newest['reasons']}"
            step.happened = f"{decision}; on held-out rows {_measured(run)}"
        with self.shell.step("The live service follows the registry, without a restart") as step:
            self._await_version(url, version, world)
            after = send(url, world.later[len(world.later) // 2 :])
            step.happened = f"new traffic: {before.accuracy:.1%} right before, {after.accuracy:.1%} now"

    def _await_version(self, url: str, version: str, world: World) -> None:
        deadline = time.monotonic() + SWITCH_SECONDS
        probe = world.calm[:1]
        while send(url, probe).rows[0]["version"] != version:
            if time.monotonic() > deadline:
                raise ServiceError(f"The service still answers with another version than {version}.")
            time.sleep(0.5)

    def table(self) -> list[tuple[str, str]]:
        """What happened, and where to look."""
        reports = sorted((self.home / "pipelines").rglob("report.html"))
        places = {
            **self.facts,
            "Drift reports": "\n".join(str(path) for path in reports),
            "Prediction log": self._log,
            "Bentos": str(self.home / "bentoml" / "bentos"),
            "All of it": str(self.home),
        }
        if not self.plan.keep:
            places |= {"Services": "stopped; `make demo KEEP=1` leaves them running"}
        steps = [(step.name, f"{step.happened}  ({step.seconds:.0f} s)") for step in self.shell.steps]
        return [*steps, *((name, text) for name, text in places.items() if text)]


def _measured(run: dict[str, Any]) -> str:
    """The candidate's main metrics, as the pipeline's evaluation left them."""
    metrics = read_json(Path(run["outputs"]["evaluate"]["evaluation"]) / METRICS)["metrics"]
    return ", ".join(f"{name} {metrics[name]:.3f}" for name in ("accuracy", "macro_f1", "calibration_error"))
