"""HTTP messages of `POST /ultra/generate/image` and of the background job that a long request becomes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from vitrina.contracts.http import Fraction

MOST_IMAGES = 16
State = Literal["queued", "running", "done", "cancelled"]
Style = Literal["photorealistic", "artistic", "vintage", "luxury"]
Seed = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class ImageRequest(msgspec.Struct):
    """What to draw. What is null is the model's own choice; `seed` null draws another picture every time.

    `background`: true makes a job of it, false never does; null: a job where it would take more than a few seconds.
    """

    prompt: Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=r"\S")]
    category: Annotated[str, msgspec.Meta(min_length=1, max_length=500)] | None = None
    style: Style = "photorealistic"
    resolution: Annotated[int, msgspec.Meta(ge=1, description="Pixels a side, as the model offers.")] | None = None
    steps: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    guidance: Annotated[float, msgspec.Meta(ge=1, le=20, description="1: none.")] | None = None
    solver: Literal["dpm++", "ddim"] = "dpm++"
    seed: Seed | None = None
    images: Annotated[int, msgspec.Meta(ge=1, le=MOST_IMAGES)] = 1
    background: bool | None = None


class GeneratedImage(msgspec.Struct):
    """One picture. The PNG says that it is generated, by which model, version and seed.

    `quality`: the share of real photos that are less typical of the shop's photos than this picture, by a network that
    was trained on photos alone; `category` is what that network takes the picture for, null where it knows none;
    `agreement`: cosine of picture and prompt in its contrastive space.
    """

    png: str
    seed: int
    quality: Fraction
    category: str | None
    agreement: float


class ImageAnswer(msgspec.Struct):
    """Pictures, or how far a background job is with them.

    `understood`: share of the prompt's words that the training prompts had; `warnings` say what that means. The
    `prompt` is escaped.
    """

    status: State
    progress: Fraction
    images: list[GeneratedImage]
    errors: list[str]
    prompt: str
    style: str
    resolution: int
    steps: int
    guidance: float
    solver: str
    language: str
    understood: Fraction
    warnings: list[str]
    job_id: str | None
    url: str | None
    model: str
    version: str
    request_id: str
    generated: bool = True


class Picture(msgspec.Struct):
    """A drawn picture as a background job keeps it: the PNG without marks, and what was said of it."""

    png: bytes
    seed: int
    quality: float
    category: str | None
    confidence: float
    agreement: float
