"""`/ultra/generate/image` as callers use it: pictures at once, jobs with progress and cancel, clear refusals."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from bentos.product_imager.service import NAME
from tests.in_process import InProcess
from vitrina.contracts.image_generation import ImageAnswer
from vitrina.families.product_imager import serving
from vitrina.monitoring.predictions import read_window
from vitrina.serving.service import ModelService
from vitrina.serving.tasks.images import EXAMPLE, PATH, ImageJobs, work
from vitrina.serving.tasks.runner import JobRunner
from vitrina.serving.tasks.store import JobStore

ASKED = {"prompt": "red disc", "category": "Shop > Disc", "seed": 5}


class Client(InProcess):
    """Calls a started service, and holds it with its log."""

    def __init__(self, service: ModelService, log: Path) -> None:
        super().__init__(service)
        self.service, self.log = service, log


@pytest.fixture
def client(imager_folder: Path, tmp_path: Path) -> Iterator[Client]:
    store = JobStore(tmp_path / "jobs.sqlite", kept=3600, most=3, lease=60)
    runner = JobRunner(store, work, lambda: service.runtime.current, threads=1, counted=lambda name, count: None)
    service = ModelService(
        serving.load,
        (),
        ImageJobs(NAME, store, runner).endpoints(),
        source=imager_folder,
        predictions=tmp_path / "log",
        name=NAME,
        parts=[runner],
    )
    service.start()
    try:
        yield Client(service, tmp_path / "log")
    finally:
        service.close()


def until(answer: Callable[[], dict[str, Any]], *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (found := answer())["status"] not in states:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def picture(answer: dict[str, Any], number: int = 0) -> Any:
    return Image.open(io.BytesIO(base64.b64decode(answer["images"][number]["png"])))


def test_a_picture_is_answered_with_its_seed_quality_and_marks(client: Client) -> None:
    response = client("POST", PATH, ASKED)
    answer = response.json()
    assert response.status_code == 200, response.text
    assert set(answer) == set(ImageAnswer.__struct_fields__)
    assert (answer["status"], answer["progress"], answer["generated"], answer["warnings"]) == ("done", 1, True, [])
    assert (answer["steps"], answer["guidance"], answer["resolution"]) == (4, 2.0, 16)
    assert answer["images"][0]["seed"] == 5
    assert 0 <= answer["images"][0]["quality"] <= 1
    shown = picture(answer)
    assert shown.text["Generated"].startswith("AI-generated")
    assert (shown.text["Version"], shown.text["Seed"]) == (answer["version"], "5")


def test_the_same_seed_gives_the_same_bytes_and_no_seed_another_picture(client: Client) -> None:
    first, again = (client("POST", PATH, ASKED).json()["images"][0]["png"] for _ in range(2))
    assert first == again
    free = [client("POST", PATH, {**ASKED, "seed": None}).json()["images"][0] for _ in range(2)]
    assert free[0]["seed"] != free[1]["seed"]
    named = client("POST", PATH, {**ASKED, "seed": free[0]["seed"]}).json()["images"][0]
    assert named["png"] == free[0]["png"]


def test_a_job_is_taken_in_reports_progress_and_has_the_pictures_of_a_direct_request(client: Client) -> None:
    response = client("POST", PATH, {**ASKED, "images": 3, "background": True})
    taken = response.json()
    assert response.status_code == 202
    assert taken["status"] in ("queued", "running")
    done = until(lambda: client("GET", taken["url"]).json(), "done")
    assert [each["seed"] for each in done["images"]] == [5, 6, 7]
    assert done["progress"] == 1
    direct = client("POST", PATH, {**ASKED, "images": 3}).json()
    for number in range(3):
        np.testing.assert_array_equal(np.asarray(picture(done, number)), np.asarray(picture(direct, number)))
    assert picture(done).text["Version"] == done["version"]


def test_a_long_request_becomes_a_job_and_can_be_cancelled(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = client.service.model().predictor
    begun = []
    plain = loaded.imager.schedule.draw

    def slow(denoise: Any, noise: Any, steps: int, solver: Any, watch: Any) -> Any:
        def told(x: Any, step: int) -> Any:
            begun.append(step)
            time.sleep(0.1)
            return denoise(x, step)

        return plain(told, noise, steps, solver, watch)

    object.__setattr__(loaded.imager.schedule, "draw", slow)
    loaded.seconds_a_step = 0.1
    response = client("POST", PATH, {**ASKED, "steps": 100, "seed": 77})
    assert response.status_code == 202, response.text
    url = response.json()["url"]
    until(lambda: client("GET", url).json(), "running")
    assert client("DELETE", url).json()["status"] == "cancelled"
    time.sleep(0.5)
    steps = len(begun)
    time.sleep(0.5)
    assert len(begun) == steps < 90
    assert client("GET", url).json()["images"] == []
    refused = client("POST", PATH, {**ASKED, "images": 16, "steps": 100, "background": False})
    assert refused.status_code == 422
    assert "would take about 160 seconds" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"steps": 0}, "steps"),
        ({"steps": 10_000}, "steps"),
        ({"resolution": 512}, "512 pixels is not offered; this model draws 16"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "   "}, "prompt"),
        ({"prompt": "x" * 1001}, "prompt"),
        ({"prompt": "?!"}, "has no word"),
        ({"guidance": 0.5}, "guidance"),
        ({"guidance": 1e9}, "guidance"),
        ({"style": "cubist"}, "style"),
        ({"category": "Shop > Square"}, "no such category"),
        ({"images": 17}, "images"),
        ({"seed": -1}, "seed"),
        ({"solver": "euler"}, "solver"),
    ],
)
def test_what_cannot_be_drawn_is_a_422_that_names_the_field(client: Client, wrong: dict[str, Any], says: str) -> None:
    response = client("POST", PATH, {**ASKED, **wrong})
    assert response.status_code == 422, response.text
    error = response.json()["error"]
    assert says in error["message"] + json.dumps(error["details"])


def test_a_prompt_in_a_third_language_is_drawn_and_reported(client: Client) -> None:
    answer = client("POST", PATH, {"prompt": "rote Scheibe"}).json()
    assert answer["understood"] == 0
    assert "another language" in answer["warnings"][0]


def test_script_in_a_prompt_is_never_echoed(client: Client) -> None:
    answer = client("POST", PATH, {**ASKED, "prompt": "<script>alert(1)</script> red disc"})
    assert answer.status_code == 200, answer.text
    refused = client("POST", PATH, {**ASKED, "category": "<script>alert(1)</script>"})
    assert refused.status_code == 422
    for told in (answer.text, refused.text, "".join(map(str, picture(answer.json()).text.values()))):
        assert "<script" not in told


def test_unknown_jobs_and_too_many_jobs_are_refused(client: Client) -> None:
    for method in ("GET", "DELETE"):
        response = client(method, f"{PATH}/nothing")
        assert response.status_code == 404
        assert response.json()["error"]["message"].startswith("There is no job nothing")
    client.service._parts[0].close()  # nobody works: jobs wait
    codes = [client("POST", PATH, {**ASKED, "background": True}).status_code for _ in range(4)]
    assert codes == [202, 202, 202, 429]


def test_direct_pictures_are_logged_for_drift(client: Client) -> None:
    client("POST", PATH, {**ASKED, "style": "vintage"})
    client.service.close()
    logged = read_window(client.log).frame
    assert len(logged) == 1
    assert {"style", "quality", "understood", "label"} <= set(logged.columns)
    assert logged["style"][0] == "vintage"


def test_the_example_and_the_routes_are_documented(client: Client) -> None:
    paths = client("GET", "/docs.json").json()["paths"]
    assert {PATH, f"{PATH}/{{id}}"} <= set(paths)
    assert {"200", "202", "422"} <= set(paths[PATH]["post"]["responses"])
    example = msgspec.json.decode(msgspec.json.encode(EXAMPLE))
    assert client("POST", PATH, example).status_code == 200
