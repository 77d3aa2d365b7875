"""Four styles as filters of a photo: what the style token is taught with, since shops do not label their photos so.

`photorealistic` is the photo itself. The others are simple and documented, so that what the model learned can be
measured: `artistic` has few tones, `vintage` faded contrast, warm tint and dark corners, `luxury` deep shadows.
"""

from __future__ import annotations

import numpy as np

STYLES = ("photorealistic", "artistic", "vintage", "luxury")
TONES = 4
WARM = np.array([1.0, 0.9, 0.72], dtype=np.float32)


def styled(photo: np.ndarray, style: str) -> np.ndarray:
    """`photo` uint8 (channels, side, side) in a style; the same shape and type."""
    plain = photo.astype(np.float32) / 255
    if style == "artistic":
        plain = np.round(plain * (TONES - 1)) / (TONES - 1)
    elif style == "vintage":
        tint = WARM[:, None, None] if len(photo) == 3 else np.float32(1)
        grey = plain.mean(0, keepdims=True)
        plain = (0.2 + 0.65 * (0.4 * plain + 0.6 * grey)) * tint * _vignette(photo.shape[-1])
    elif style == "luxury":
        plain = 0.85 * plain**2.2 * _vignette(photo.shape[-1])
    return (plain.clip(0, 1) * 255).round().astype(np.uint8)


def _vignette(side: int) -> np.ndarray:
    """(1, side, side): 1 in the middle, 0.6 in the corners."""
    line = np.linspace(-1, 1, side, dtype=np.float32) ** 2
    return 1 - 0.2 * (line[:, None] + line[None, :])[None]
