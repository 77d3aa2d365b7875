"""Drawing images: at once where that takes seconds, else in the background; the routes, and what a job does.

Long drawings ask between two steps whether they are still wanted: a cancelled job ends within a step.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from vitrina.contracts.escaping import escaped
from vitrina.contracts.http import PredictionRecord, Refusal
from vitrina.contracts.image_generation import GeneratedImage, ImageAnswer, ImageRequest, Picture
from vitrina.serving.operation import Call, Endpoint, Reply
from vitrina.serving.tasks.asking import cancel_job, crowded, known_job, unavailable
from vitrina.serving.tasks.records import Job, NewRow, TooManyJobs
from vitrina.serving.tasks.runner import Abandoned, Alive, JobRunner
from vitrina.serving.tasks.store import JobStore

PATH = "/ultra/generate/image"
DIRECT_SECONDS = 5.0
"""What would take longer becomes a job, unless the caller says otherwise."""

LONGEST_DIRECT = 60.0
"""What would take longer is never drawn while the caller waits."""

EXAMPLE = ImageRequest("blue cotton shirt with short sleeves", steps=20, seed=7)


class Illustrator(Protocol):
    """What the routes ask of a predictor."""

    @property
    def side(self) -> int:
        """Pixels a side."""

    def asked(self, request: ImageRequest) -> Sequence[Any]:
        """A picture each; raises `Refusal` 422 for what the model has not."""

    def seconds(self, asks: Sequence[Any]) -> float:
        """How long drawing them takes, roughly."""

    def picture(self, ask: Any, watch: Callable[[int, int], None]) -> Picture:
        """Draw one; `watch` is told of every step and may raise."""

    def prompt_facts(self, prompt: str) -> tuple[str, float, list[str]]:
        """Language, share of known words, warnings."""

    def marked(self, png: bytes, model: str, version: str, seed: int) -> bytes:
        """The PNG with fields that say it is generated."""

    def kept(self, ask: Any) -> bytes:
        """An ask as a job's row."""

    def restored(self, payload: bytes) -> Any:
        """The ask that `kept` made the row of."""

    def record(self, ask: Any, picture: Picture, **known: str) -> PredictionRecord:
        """The line of the prediction log."""


def work(predictor: Illustrator, options: bytes, payloads: list[bytes], alive: Alive) -> list[bytes]:
    """Draw the pictures of a chunk; a result is a `Picture` as MessagePack."""

    def watch(done: int, steps: int) -> None:
        if not alive():
            raise Abandoned

    return [msgspec.msgpack.encode(predictor.picture(predictor.restored(each), watch)) for each in payloads]


class ImageJobs:
    """The routes: draw, say how far a job is and give its pictures, cancel it."""

    def __init__(self, model: str, store: JobStore, runner: JobRunner) -> None:
        """`model` is the name that answers report."""
        self._model, self._store, self._runner = model, store, runner

    def endpoints(self) -> list[Endpoint]:
        """The three routes."""
        one = f"{PATH}/{{id}}"
        said = "Draw a picture of a product; 202 and a job where that takes long."
        return [
            Endpoint("POST", PATH, said, self.draw, ImageAnswer, request=ImageRequest, also=(202,), example=EXAMPLE),
            Endpoint("GET", one, "How far a job is, and its pictures.", self.status, ImageAnswer),
            Endpoint("DELETE", one, "Cancel a job; pictures that are done stay.", self.cancel, ImageAnswer),
        ]

    def draw(self, call: Call) -> ImageAnswer | Reply:
        """Draw now, or take a job in.

        Raises:
            Refusal: 422 for what the model has not, 429 when too many jobs wait, 503.
        """
        request: ImageRequest = call.request
        predictor: Illustrator = call.model().predictor
        asks = predictor.asked(request)
        seconds = predictor.seconds(asks)
        if request.background is False and seconds > LONGEST_DIRECT:
            text = f"This would take about {seconds:.0f} seconds: leave `background` out, and ask for the job's result."
            raise Refusal(422, text, [{"loc": ["body", "background"], "msg": text, "type": "too_long"}])
        if request.background or (request.background is None and seconds > DIRECT_SECONDS):
            return Reply(202, self._submitted(request, asks, call))
        return self._drawn(request, asks, call)

    def status(self, call: Call) -> ImageAnswer:
        """How far a job is, with the pictures that are done.

        Raises:
            Refusal: 404 for an unknown job, 503.
        """
        try:
            return self._answer(known_job(self._store, call.parameters["id"]), call)
        except (sqlite3.Error, OSError) as error:
            raise unavailable(error) from error

    def cancel(self, call: Call) -> ImageAnswer:
        """End a job; one that is finished stays as it is.

        Raises:
            Refusal: 404 for an unknown job, 503.
        """
        cancel_job(self._store, call.parameters["id"])
        return self.status(call)

    def _drawn(self, request: ImageRequest, asks: Sequence[Any], call: Call) -> ImageAnswer:
        loaded = call.model()
        version = loaded.source.version
        pictures = [loaded.predictor.picture(ask, lambda done, steps: None) for ask in asks]
        known = {"request_id": call.request_id, "model": self._model, "version": version}
        for ask, picture in zip(asks, pictures, strict=True):
            call.log(loaded.predictor.record(ask, picture, **known))
        images = [self._image(loaded.predictor, each, version) for each in pictures]
        return self._said(request, asks[0], call, version=version, images=images, status="done", progress=1.0)

    def _submitted(self, request: ImageRequest, asks: Sequence[Any], call: Call) -> ImageAnswer:
        loaded = call.model()
        rows = [NewRow(None, loaded.predictor.kept(ask)) for ask in asks]
        fixed = msgspec.structs.replace(request, seed=asks[0].seed, steps=asks[0].steps, guidance=asks[0].guidance)
        try:
            job = self._store.submit(
                rows,
                [[number] for number in range(len(rows))],
                options=msgspec.json.encode(fixed),
                version=loaded.source.version,
                digest=call.request_id,
                key=None,
            )
        except TooManyJobs:
            raise crowded() from None
        except (sqlite3.Error, OSError) as error:
            raise unavailable(error) from error
        self._runner.wake()
        return self._answer(known_job(self._store, job), call)

    def _answer(self, job: Job, call: Call) -> ImageAnswer:
        predictor: Illustrator = call.model().predictor
        request = msgspec.json.decode(job.options, type=ImageRequest)
        rows = self._store.done(job.id, 0, job.rows)
        drawn = [msgspec.msgpack.decode(row.result, type=Picture) for row in rows if row.result is not None]
        return self._said(
            request,
            request,
            call,
            version=job.version,
            images=[self._image(predictor, each, job.version) for each in drawn],
            errors=[row.error for row in rows if row.error is not None],
            status=job.state,
            progress=(job.succeeded + job.failed) / job.rows,
            job_id=job.id,
            url=f"{PATH}/{job.id}",
        )

    def _said(self, request: ImageRequest, ask: Any, call: Call, **known: Any) -> ImageAnswer:
        """The answer, with what was asked for."""
        predictor: Illustrator = call.model().predictor
        language, understood, warnings = predictor.prompt_facts(request.prompt)
        given = {"errors": [], "job_id": None, "url": None, **known}
        return ImageAnswer(
            prompt=escaped(request.prompt),
            style=request.style,
            resolution=predictor.side,
            steps=ask.steps,
            guidance=ask.guidance,
            solver=request.solver,
            language=language,
            understood=understood,
            warnings=warnings,
            model=self._model,
            request_id=call.request_id,
            **given,
        )

    def _image(self, predictor: Illustrator, picture: Picture, version: str) -> GeneratedImage:
        png = predictor.marked(picture.png, self._model, version, picture.seed)
        shown = base64.b64encode(png).decode("ascii")
        return GeneratedImage(shown, picture.seed, picture.quality, picture.category, picture.agreement)
