"""Prompt → picture on an exported folder: ONNX Runtime, tokenizers and NumPy; neither torch nor transformers."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from vitrina.artifacts import read_json
from vitrina.errors import ArtifactError
from vitrina.evaluation.images import Gaussian, as_good
from vitrina.families.layers.onnx_text import load_session, load_tokenizer
from vitrina.families.product_imager.prompts import understood
from vitrina.families.product_imager.sampling import Schedule, Watch, guided, start_noise

REAL = "real.safetensors"
CACHE_BYTES = 64 * 2**20
TOGETHER = 16


class Ask(msgspec.Struct, frozen=True):
    """Everything that decides a picture."""

    prompt: str
    category: str | None
    style: str
    seed: int
    steps: int
    guidance: float
    solver: str = "dpm++"


class Drawn(msgspec.Struct, frozen=True):
    """A picture with what the critic says: uint8 (side, side) or (side, side, 3)."""

    picture: np.ndarray
    features: np.ndarray
    quality: float
    label: str | None
    confidence: float
    agreement: float


class Imager:
    """The graphs of a model folder. Thread-safe; pictures drawn lately are remembered."""

    def __init__(self, folder: Path, weights: str | None) -> None:
        said = read_json(folder / "labels.json")
        self.labels: list[str] = said["labels"]
        self.styles: list[str] = said["styles"]
        self.side: int = said["side"]
        self.steps: int = said["steps"]
        self.guidance: float = said["guidance"]
        self._shape, self._tokens, self._pad = tuple(said["diffused"]), said["max_length"], said["pad"]
        self._words = None if said["words"] is None else frozenset(said["words"])
        self.real = _real(folder)
        latent = (folder / "decoder.onnx").is_file()
        self.schedule = Schedule(self.real["alphas"], said["prediction"], clip=not latent)
        self._network = load_session(folder, weights or "model.onnx")
        self._conditions, self._critic, self._critic_words = (
            load_session(folder, f"{name}.onnx") for name in ("conditions", "critic", "critic_words")
        )
        self._decoder = load_session(folder, "decoder.onnx") if latent else None
        self._tokenizer = load_tokenizer(folder, self._tokens)
        self._typical = Gaussian(self.real["mean"], self.real["covariance"])
        self._drawn: OrderedDict[Ask, Drawn] = OrderedDict()
        self._kept = max(8, CACHE_BYTES // (3 * self.side**2))
        self._lock = threading.Lock()

    def seconds_a_step(self) -> float:
        """Of one guided picture, measured now on a network that has run before."""
        ask = Ask("", None, self.styles[0], 0, 1, 2.0)
        for _ in range(2):
            began = time.perf_counter()
            self._diffused([ask], _unwatched)
        return time.perf_counter() - began

    def understood(self, prompt: str) -> float:
        """Share of the prompt's words that training saw."""
        return understood(prompt, self._words)

    def draw(self, ask: Ask, watch: Watch | None = None) -> Drawn:
        """One picture; the same `ask` gives the same picture."""
        with self._lock:
            known = self._drawn.get(ask)
        return known or self._new([ask], watch or _unwatched)[0]

    def draw_all(self, asks: Sequence[Ask]) -> list[Drawn]:
        """Many pictures; those that share steps, guidance and solver are drawn together."""
        groups: dict[tuple[Any, ...], list[Ask]] = {}
        with self._lock:
            found = {ask: self._drawn[ask] for ask in asks if ask in self._drawn}
        for ask in dict.fromkeys(asks):
            if ask not in found:
                groups.setdefault((ask.steps, ask.guidance, ask.solver), []).append(ask)
        for group in groups.values():
            for start in range(0, len(group), TOGETHER):
                some = group[start : start + TOGETHER]
                found |= zip(some, self._new(some, _unwatched), strict=True)
        return [found[ask] for ask in asks]

    def read(self, prompts: Sequence[str]) -> np.ndarray:
        """Prompts in the critic's contrastive space: (prompts, n) float32 of length 1."""
        return self._critic_words.run(["vector"], self._encoded(prompts))[0]

    def judge(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The critic's features, category probabilities and contrastive vectors of float pictures 0–1."""
        features, logits, vector = self._critic.run(["features", "logits", "vector"], {"pixels": pictures})
        odds = np.exp(logits - logits.max(1, keepdims=True))
        return features, odds / odds.sum(1, keepdims=True), vector

    def quality(self, features: np.ndarray) -> np.ndarray:
        """Share of held-out real photos that are at least as far from the typical photo."""
        return as_good(self._typical.distances(features), self.real["distances"])

    def _new(self, asks: list[Ask], watch: Watch) -> list[Drawn]:
        plain = (self._diffused(asks, watch) / 2 + 0.5).clip(0, 1)
        pixels = (plain * 255).round().astype(np.uint8)
        features, odds, vectors = self.judge(pixels.astype(np.float32) / 255)
        cosine = (vectors * self.read([ask.prompt for ask in asks])).sum(1)
        quality = self.quality(features)
        drawn = []
        for row, ask in enumerate(asks):
            shown = pixels[row].transpose(1, 2, 0) if len(pixels[row]) == 3 else pixels[row, 0]
            best = int(odds[row].argmax())
            label = self.labels[best] if self.labels else None
            scores = float(quality[row]), label, float(odds[row, best]), float(cosine[row])
            drawn.append(Drawn(np.ascontiguousarray(shown), features[row], *scores))
            self._remember(ask, drawn[-1])
        return drawn

    def _remember(self, ask: Ask, drawn: Drawn) -> None:
        with self._lock:
            self._drawn[ask] = drawn
            if len(self._drawn) > self._kept:
                self._drawn.popitem(last=False)

    def _diffused(self, asks: list[Ask], watch: Watch) -> np.ndarray:
        """float32 (asks, channels, side, side), −1 to 1."""
        count, first = len(asks), asks[0]
        style = [self.styles.index(ask.style) + 1 for ask in asks]
        category = [self.labels.index(ask.category) + 1 if ask.category else 0 for ask in asks]
        feed = self._encoded([*(ask.prompt for ask in asks), *("" for _ in asks)])
        feed |= {"style": np.array(style + [0] * count), "category": np.array(category + [0] * count)}
        states, pooled = self._conditions.run(["states", "pooled"], feed)
        if first.guidance == 1:
            states, pooled = states[:count], pooled[:count]

        def denoise(x: np.ndarray, step: int) -> np.ndarray:
            twice = x if first.guidance == 1 else np.concatenate([x, x])
            times = np.full(len(twice), step, dtype=np.int64)
            told = self._run(twice, times, states, pooled)
            return told if first.guidance == 1 else guided(told[:count], told[count:], first.guidance)

        noise = np.stack([start_noise(ask.seed, self._shape) for ask in asks])
        found = self.schedule.draw(denoise, noise, first.steps, first.solver, watch)  # type: ignore[arg-type]
        return found if self._decoder is None else self._decoder.run(["pictures"], {"latents": found})[0]

    def _run(self, sample: np.ndarray, times: np.ndarray, states: np.ndarray, pooled: np.ndarray) -> np.ndarray:
        feed = {"sample": sample, "timesteps": times, "states": states, "pooled": pooled}
        taken = {each.name for each in self._network.get_inputs()}  # a Stable Diffusion U-Net has no pooled input
        return self._network.run(["prediction"], {name: value for name, value in feed.items() if name in taken})[0]

    def _encoded(self, prompts: Sequence[str]) -> dict[str, np.ndarray]:
        """`input_ids` and `attention_mask`, int64 (prompts, tokens of the model)."""
        ids = np.full((len(prompts), self._tokens), self._pad, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, encoding in enumerate(self._tokenizer.encode_batch_fast(list(prompts))):
            ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        return {"input_ids": ids, "attention_mask": mask}


def _unwatched(done: int, steps: int) -> None:
    """Nobody asks how far it is."""


def _real(folder: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(folder / REAL)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{folder / REAL} cannot be read: {error}.") from error
