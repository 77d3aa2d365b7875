"""An exported folder → a predictor, and what a request may ask of it; neither torch nor transformers."""

from __future__ import annotations

import difflib
import io
import secrets
import struct
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from vitrina.contracts.http import PredictionRecord, Refusal
from vitrina.contracts.image_generation import ImageRequest, Picture
from vitrina.families.product_imager.drawing import Ask, Drawn, Imager
from vitrina.families.product_imager.prompts import words_of
from vitrina.families.product_imager.sampling import Watch
from vitrina.text.language import detect_language

if TYPE_CHECKING:
    import pandas as pd

EVALUATION_STEPS = 10
UNDERSTOOD = 0.5
"""Prompts with fewer known words than this are answered with a warning."""

UNKNOWN_WORDS = (
    "Most words of the prompt were not among the training prompts (another language, or unknown things): the picture "
    "may not show them."
)

SIGNATURE = 33
"""Bytes of a PNG before its second chunk."""


class ImageRecord(PredictionRecord):
    """A line of the prediction log; `label` and `confidence` are the critic's."""

    style: str
    quality: float
    understood: float


class ImagerPredictor:
    """A loaded model; see `Predictor`."""

    def __init__(self, imager: Imager) -> None:
        self.imager = imager
        self.seconds_a_step = imager.seconds_a_step()

    def predict_frame(self, examples: pd.DataFrame) -> pd.DataFrame:
        """What each prompt's picture is like; see `Predictor`."""
        import pandas as pd

        asks = self.asks(examples)
        drawn = self.imager.draw_all(asks)
        texts = [ask.prompt for ask in asks]
        stated = examples["language"] if "language" in examples else [None] * len(examples)
        languages = [
            said if isinstance(said, str) and said in ("es", "en") else detect_language(text)
            for said, text in zip(stated, texts, strict=True)
        ]
        return pd.DataFrame(
            {
                "text": texts,
                "language": languages,
                "length": [len(text) for text in texts],
                "style": [ask.style for ask in asks],
                "label": [each.label or "" for each in drawn],
                "confidence": [each.confidence for each in drawn],
                "quality": [each.quality for each in drawn],
                "agreement": [each.agreement for each in drawn],
                "understood": [self.imager.understood(text) for text in texts],
            }
        )

    def embed(self, examples: pd.DataFrame) -> np.ndarray:
        """The prompts in the critic's space: drift of what is asked for costs no drawing."""
        return self.imager.read(list(examples["text"]))

    def asks(self, examples: pd.DataFrame) -> list[Ask]:
        """One picture a row, its seed from the row's content."""
        known, imager = set(self.imager.labels), self.imager
        columns = [
            examples[name] if name in examples else [None] * len(examples) for name in ("category", "style", "row_id")
        ]
        return [
            Ask(
                prompt=text,
                category=category if category in known else None,
                style=style if style in imager.styles else imager.styles[0],
                seed=zlib.crc32(f"{row}/{text}".encode()),
                steps=min(EVALUATION_STEPS, imager.steps),
                guidance=imager.guidance,
            )
            for text, category, style, row in zip(examples["text"], *columns, strict=True)
        ]

    def asked(self, request: ImageRequest) -> list[Ask]:
        """What a request asks for, a picture each.

        Raises:
            Refusal: 422 for a resolution, style or category that this model has not.
        """
        imager = self.imager
        if request.resolution not in (None, imager.side):
            text = f"A resolution of {request.resolution} pixels is not offered; this model draws {imager.side}."
            raise _refused("resolution", text)
        if request.style not in imager.styles:
            text = f"This model was not taught the style {request.style}; it offers {', '.join(imager.styles)}."
            raise _refused("style", text)
        if not words_of(request.prompt):
            raise _refused("prompt", "The prompt has no word: say what to draw.")
        if request.category is not None and request.category not in imager.labels:
            raise _refused("category", _no_category(request.category, imager.labels))
        seed = secrets.randbelow(2**31) if request.seed is None else request.seed
        steps = imager.steps if request.steps is None else request.steps
        guidance = imager.guidance if request.guidance is None else float(request.guidance)
        plain = " ".join(request.prompt.split())
        return [
            Ask(plain, request.category, request.style, seed + number, steps, guidance, request.solver)
            for number in range(request.images)
        ]

    @property
    def side(self) -> int:
        """Pixels a side."""
        return self.imager.side

    def picture(self, ask: Ask, watch: Watch) -> Picture:
        """Draw one; `watch` is told of every step and may raise."""
        drawn = self.imager.draw(ask, watch)
        return Picture(png_of(drawn), ask.seed, drawn.quality, drawn.label, drawn.confidence, drawn.agreement)

    def prompt_facts(self, prompt: str) -> tuple[str, float, list[str]]:
        """Language, share of the words that training saw, and a sentence where most are unknown."""
        known = self.imager.understood(prompt)
        return detect_language(prompt), known, [] if known >= UNDERSTOOD else [UNKNOWN_WORDS]

    def marked(self, png: bytes, model: str, version: str, seed: int) -> bytes:
        """The PNG with text fields that say it is generated."""
        return marked(png, model, version, seed)

    def kept(self, ask: Ask) -> bytes:
        """An ask as a background job's row."""
        return msgspec.msgpack.encode(ask)

    def restored(self, payload: bytes) -> Ask:
        """The ask that `kept` made the row of."""
        return msgspec.msgpack.decode(payload, type=Ask)

    def record(self, ask: Ask, picture: Picture, model: str, version: str, request_id: str) -> ImageRecord:
        """The line of the prediction log."""
        language, known, _ = self.prompt_facts(ask.prompt)
        return ImageRecord(
            request_id=request_id,
            timestamp=datetime.now(UTC),
            model=model,
            version=version,
            text=ask.prompt,
            language=language,
            length=len(ask.prompt),
            label=picture.category or "",
            confidence=picture.confidence,
            needs_clarification=False,
            out_of_scope=False,
            style=ask.style,
            quality=picture.quality,
            understood=known,
        )

    def seconds(self, asks: Sequence[Ask]) -> float:
        """How long drawing them will take on an idle core, roughly."""
        return sum(ask.steps for ask in asks) * self.seconds_a_step


def _refused(name: str, text: str) -> Refusal:
    return Refusal(422, text, [{"loc": ["body", name], "msg": text, "type": "unknown"}])


def _no_category(asked: str, labels: Sequence[str]) -> str:
    near = difflib.get_close_matches(asked, labels, n=1, cutoff=0.3)
    hint = f"Did you mean {near[0]}?" if near else "Leave it out, and the prompt alone decides."
    return f"The model was taught no such category. {hint}"


def png_of(drawn: Drawn) -> bytes:
    """The picture as a PNG file."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(drawn.picture).save(content, "PNG", optimize=True)
    return content.getvalue()


def marked(png: bytes, model: str, version: str, seed: int) -> bytes:
    """The PNG with text fields (tEXt) that say it is generated, and by what."""
    said = {"Generated": "AI-generated image, not a photo", "Model": model, "Version": version, "Seed": str(seed)}
    return png[:SIGNATURE] + b"".join(_text(*each) for each in said.items()) + png[SIGNATURE:]


def _text(keyword: str, text: str) -> bytes:
    body = b"tEXt" + keyword.encode("latin-1") + b"\0" + text.encode("latin-1", "replace")
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def load(folder: Path, weights: str | None = None) -> ImagerPredictor:
    """Load an exported folder; without `weights` the fp32 U-Net: int8 moves colours, and gains little in convolutions.

    Raises:
        ArtifactError: when a file is missing or damaged.
    """
    return ImagerPredictor(Imager(Path(folder), weights))
