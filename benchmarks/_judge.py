"""The judge of generated pictures: a ConvNet that is trained here, on photos that no generator saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

EPOCHS = 3
BATCH = 64
TOGETHER = 250


class Judge(nn.Module):
    """Three convolutions with batch normalisation, 128 features, ten classes."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inner, outer in ((1, 32), (32, 64), (64, 128)):
            layers += [nn.Conv2d(inner, outer, 3, padding=1), nn.BatchNorm2d(outer), nn.ReLU(), nn.MaxPool2d(2)]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(128 * 16, 128))
        self.head = nn.Linear(128, 10)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(F.relu(self.body(pixels)))

    def features(self, pixels: np.ndarray) -> np.ndarray:
        """(pictures, 128) float32 of uint8 (pictures, 1, 32, 32)."""
        return self._over(pixels, self.body)

    def classes(self, pixels: np.ndarray) -> np.ndarray:
        """The class of each picture."""
        return self._over(pixels, self).argmax(1)

    def _over(self, pixels: np.ndarray, network: nn.Module) -> np.ndarray:
        with torch.inference_mode():
            parts = [network(_scaled(pixels[start : start + TOGETHER])) for start in range(0, len(pixels), TOGETHER)]
        return torch.cat(parts).numpy()


def train_judge(pixels: np.ndarray, classes: np.ndarray, path: Path) -> Judge:
    """A judge after `EPOCHS` passes over its photos; kept in `path`."""
    torch.manual_seed(0)
    judge = Judge()
    if path.is_file():
        judge.load_state_dict(load_file(path))
        return judge.eval()
    steps = EPOCHS * (len(pixels) // BATCH)
    optimizer = torch.optim.AdamW(judge.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
    rng = np.random.default_rng(0)
    for _ in range(EPOCHS):
        order = rng.permutation(len(pixels))[: len(pixels) // BATCH * BATCH]
        for rows in order.reshape(-1, BATCH):
            seen = _scaled(pixels[rows])
            seen = torch.where(torch.rand(len(rows), 1, 1, 1) < 0.5, seen.flip(3), seen)
            loss = F.cross_entropy(judge(seen), torch.from_numpy(classes[rows]))
            loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(judge.state_dict(), path)
    return judge.eval()


def _scaled(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).float() / 127.5 - 1
