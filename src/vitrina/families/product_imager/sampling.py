"""From noise to picture in 10 to 50 steps: DDIM and DPM-Solver++ (2M) in NumPy, equal to those of diffusers.

Song et al., 2021 (arXiv 2010.02502); Lu et al., 2022 (arXiv 2211.01095). At time t a picture x0 and noise n are mixed
as x = a_t x0 + s_t n with a_t² + s_t² = 1; the network tells n (`epsilon`) or a_t n − s_t x0 (`v_prediction`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Solver = Literal["dpm++", "ddim"]
SOLVERS: tuple[Solver, ...] = ("dpm++", "ddim")

Denoise = Callable[[np.ndarray, int], np.ndarray]
"""(noisy, step of the schedule 0–999) → what the network tells, guidance included."""

Watch = Callable[[int, int], None]
"""Told (steps done, steps in all) after each; may raise to end the drawing."""


@dataclass(frozen=True)
class Schedule:
    """How much of picture and noise each of the schedule's steps has.

    Attributes:
        alphas: a_t², (1000,) float64 falling.
        prediction: `epsilon` or `v_prediction`.
        clip: keep the estimated picture within −1 and 1: in pixels, not in latent space.
    """

    alphas: np.ndarray
    prediction: str
    clip: bool

    def draw(self, denoise: Denoise, noise: np.ndarray, steps: int, solver: Solver, watch: Watch) -> np.ndarray:
        """The picture that `noise` (batch, channels, side, side) becomes; float32 as `noise`."""
        return (self._dpm if solver == "dpm++" else self._ddim)(denoise, noise, steps, watch)

    def _ddim(self, denoise: Denoise, noise: np.ndarray, steps: int, watch: Watch) -> np.ndarray:
        x, stride = noise, len(self.alphas) // steps
        times = [number * stride for number in reversed(range(steps))]
        for done, time in enumerate(times, 1):
            picture = self._picture(x, denoise(x, time), self.alphas[time])
            before = self.alphas[time - stride] if time >= stride else 1.0
            # Told anew from the clipped picture (GLIDE's way), so that both make up x.
            told = (x - self.alphas[time] ** 0.5 * picture) / (1 - self.alphas[time]) ** 0.5
            x = _like(before**0.5 * picture + (1 - before) ** 0.5 * told, noise)
            watch(done, steps)
        return x

    def _dpm(self, denoise: Denoise, noise: np.ndarray, steps: int, watch: Watch) -> np.ndarray:
        """Second order from the pictures of two steps; the first step and the last are of first order."""
        last = len(self.alphas) - 1
        times = np.linspace(0, last, steps + 1).round()[::-1][:-1].astype(int)
        kept = np.append(self.alphas[times], 1.0)
        signal, spread = kept**0.5, (1 - kept) ** 0.5
        x, before = noise, noise
        for number, time in enumerate(times):
            picture = self._picture(x, denoise(x, int(time)), kept[number])
            final = number == steps - 1
            step = 0.0 if final else _ratio(signal, spread, number + 1) - _ratio(signal, spread, number)
            shrink = 1.0 if final else 1 - np.exp(-step)
            direction = picture
            if number and not final:
                earlier = _ratio(signal, spread, number) - _ratio(signal, spread, number - 1)
                direction = picture + 0.5 * (step / earlier) * (picture - before)
            x = _like(spread[number + 1] / spread[number] * x + signal[number + 1] * shrink * direction, noise)
            before = picture
            watch(number + 1, steps)
        return x

    def _picture(self, x: np.ndarray, told: np.ndarray, alpha: float) -> np.ndarray:
        """The picture that the network sees in `x`."""
        signal, spread = alpha**0.5, (1 - alpha) ** 0.5
        found = signal * x - spread * told if self.prediction == "v_prediction" else (x - spread * told) / signal
        return found.clip(-1, 1) if self.clip else found


def _ratio(signal: np.ndarray, spread: np.ndarray, number: int) -> float:
    """Half the logarithm of the signal-to-noise ratio."""
    return float(np.log(signal[number]) - np.log(spread[number]))


def _like(x: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return x.astype(noise.dtype, copy=False)


def start_noise(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Normal noise that only `seed` decides, float32 of `shape`."""
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape, dtype=np.float32)


def guided(with_words: np.ndarray, without: np.ndarray, guidance: float) -> np.ndarray:
    """Classifier-free guidance (Ho & Salimans, 2022): 1 changes nothing."""
    return without + np.float32(guidance) * (with_words - without)
