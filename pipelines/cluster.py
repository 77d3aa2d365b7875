"""Talk to a Kubeflow Pipelines API: upload compiled pipelines, start runs, keep recurring runs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import kfp_server_api
import urllib3
import yaml
from kfp import Client
from kfp.components import load_component_from_file
from pydantic import BaseModel, ConfigDict

from pipelines.compiling import COMPILED
from pipelines.local import typed_parameters
from pipelines.schedules import Schedule
from vitrina.errors import ServiceError, UsageError

PAGE = 100


class Submitted(BaseModel):
    """What the cluster now has; `run` is a run's id, or a recurring run's."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    pipeline_id: str
    version: str
    version_id: str
    run: str
    name: str
    url: str


class Cluster:
    """One Kubeflow Pipelines API.

    Raises:
        ServiceError: from every method, when the API does not answer or refuses.
    """

    def __init__(self, host: str, namespace: str | None = None, token_file: Path | None = None) -> None:
        self.host = host.rstrip("/")
        self.namespace = namespace
        token = token_file.read_text(encoding="utf-8").strip() if token_file else None
        _check_health(self.host, token)
        with self._answers(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # "only works with v2.0.0-beta.2 and later"
            self.client = Client(host=self.host, existing_token=token, namespace=namespace or "kubeflow")

    def submit(self, package: Path, parameters: Mapping[str, Any], experiment: str) -> Submitted:
        """Upload a compiled pipeline and start one run of it.

        Raises:
            UsageError: a package that is no compiled pipeline, unknown or missing parameters.
        """
        arguments = _arguments(package, parameters)
        with self._answers():
            pipeline, version = self._upload(package)
            name = f"{pipeline.display_name} {datetime.now():%Y-%m-%d %H:%M:%S}"
            run = self.client.run_pipeline(
                self._experiment(experiment),
                name,
                params=arguments,
                pipeline_id=pipeline.pipeline_id,
                version_id=version.pipeline_version_id,
            )
        return self._submitted(pipeline, version, run.run_id, name, f"runs/details/{run.run_id}")

    def schedule(self, name: str, schedule: Schedule, experiment: str) -> Submitted:
        """Upload the schedule's pipeline and make it recur; an earlier recurring run of the name is replaced.

        Raises:
            UsageError: a pipeline that is not compiled, unknown or missing parameters.
        """
        package = COMPILED / f"{schedule.pipeline}.yaml"
        arguments = _arguments(package, schedule.parameters)
        with self._answers():
            pipeline, version = self._upload(package)
            folder = self._experiment(experiment)
            earlier = self._recurring(folder, name)
            job = self.client.create_recurring_run(
                folder,
                name,
                cron_expression=schedule.cron,
                max_concurrency=1,
                no_catchup=True,
                params=arguments,
                pipeline_id=pipeline.pipeline_id,
                version_id=version.pipeline_version_id,
                enabled=schedule.enabled,
            )
            for old in earlier:
                self.client.delete_recurring_run(old)
        identifier = job.recurring_run_id
        return self._submitted(pipeline, version, identifier, name, f"recurringrun/details/{identifier}")

    def _upload(self, package: Path) -> tuple[Any, Any]:
        """The pipeline and the version that hold the package: uploaded once for the same bytes."""
        name = package.stem if package.parent == COMPILED else _spec_name(package)
        name = f"vitrina-{name}" if not name.startswith("vitrina-") else name
        label = hashlib.sha256(package.read_bytes()).hexdigest()[:12]
        identifier = self.client.get_pipeline_id(name)
        if identifier is None:
            pipeline = self.client.upload_pipeline(str(package), name, namespace=self.namespace)
        else:
            pipeline = self.client.get_pipeline(identifier)
            for version in self._versions(identifier):
                if version.display_name == label:
                    return pipeline, version
        version = self.client.upload_pipeline_version(str(package), label, pipeline_id=pipeline.pipeline_id)
        return pipeline, version

    def _versions(self, pipeline_id: str) -> Iterator[Any]:
        token = ""
        while True:
            page = self.client.list_pipeline_versions(pipeline_id, page_token=token, page_size=PAGE)
            yield from page.pipeline_versions or []
            if not (token := page.next_page_token or ""):
                return

    def _recurring(self, experiment_id: str, name: str) -> list[str]:
        found, token = [], ""
        while True:
            page = self.client.list_recurring_runs(token, PAGE, experiment_id=experiment_id)
            found += [job.recurring_run_id for job in page.recurring_runs or [] if job.display_name == name]
            if not (token := page.next_page_token or ""):
                return found

    def _experiment(self, name: str) -> str:
        return str(self.client.create_experiment(name, namespace=self.namespace).experiment_id)

    def _submitted(self, pipeline: Any, version: Any, run: str, name: str, page: str) -> Submitted:
        return Submitted(
            pipeline=pipeline.display_name,
            pipeline_id=pipeline.pipeline_id,
            version=version.display_name,
            version_id=version.pipeline_version_id,
            run=run,
            name=name,
            url=f"{self.host}/#/{page}",
        )

    @contextlib.contextmanager
    def _answers(self) -> Iterator[None]:
        """Turn the client's errors into one sentence, and keep its links off stdout."""
        try:
            with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing):
                yield
        except kfp_server_api.ApiException as error:
            raise ServiceError(f"{self.host} refused: {error.status} {_reason(error)}.") from error
        except urllib3.exceptions.HTTPError as error:
            raise ServiceError(f"No Kubeflow Pipelines API answers at {self.host}.") from error


def _check_health(host: str, token: str | None) -> None:
    """Ask once whether an API is there: the client itself would try for half a minute."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = urllib3.request(
            "GET", f"{host}/apis/v2beta1/healthz", headers=headers, retries=False, timeout=10, redirect=False
        )
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise ServiceError(f"No Kubeflow Pipelines API answers at {host}.") from error
    if answer.status != HTTPStatus.OK or "json" not in answer.headers.get("Content-Type", ""):
        raise ServiceError(
            f"{host} is no Kubeflow Pipelines API, or wants a token: /apis/v2beta1/healthz answers {answer.status}."
        )


def _reason(error: kfp_server_api.ApiException) -> str:
    try:
        message = json.loads(error.body)["message"]
    except (ValueError, KeyError, TypeError):
        message = error.reason
    return " ".join(str(message).split()).rstrip(".")


def _arguments(package: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    if not package.is_file():
        raise UsageError(f"{package} does not exist; `vitrina pipeline compile` writes it.")
    try:
        pipeline = load_component_from_file(str(package))
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{package} is no compiled pipeline: {' '.join(str(error).split())}.") from error
    return typed_parameters(pipeline, parameters)


def _spec_name(package: Path) -> str:
    return str(load_component_from_file(str(package)).pipeline_spec.pipeline_info.name)
