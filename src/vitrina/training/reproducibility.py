"""What a result depends on besides its data and preset: seed, code, library versions, machine."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import vitrina

LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "onnx", "onnxruntime", "mlflow", "vitrina")


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (all devices)."""
    from transformers import set_seed

    set_seed(seed)


def code_version() -> str:
    """The git commit of the source, `-dirty` when changed; without git `VITRINA_COMMIT`, else the release."""
    source = Path(vitrina.__file__).parent
    commit = _git(source, "rev-parse", "HEAD")
    if commit and _git(source, "ls-files", "--error-unmatch", Path(vitrina.__file__).name):
        return commit + ("-dirty" if _git(source, "status", "--porcelain", "--", ".") else "")
    return os.environ.get("VITRINA_COMMIT") or version("vitrina")


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def library_versions() -> dict[str, str]:
    """Installed versions of the libraries that results depend on."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def environment() -> dict[str, Any]:
    """Python, system, processor, cores, memory (GB) and GPU of this machine, with the library versions."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory, 1),
        "gpu": gpu,
        "libraries": library_versions(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")
