"""guidellm in an environment of its own: made at first use, renewed when its requirements change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from filelock import FileLock

from vitrina.errors import ServiceError
from vitrina.settings import load_settings

READY = "requirements.txt"  # a copy inside the environment, written last: what it was made from


def guidellm(*, quiet: bool = False) -> Path:
    """The guidellm command: `VITRINA_GUIDELLM`, or that of the environment under `VITRINA_HOME/tools`.

    Args:
        quiet: says nothing while it installs, which takes a minute or two and about 1.5 GB the first time.

    Raises:
        ServiceError: it is not there and cannot be installed.
    """
    settings = load_settings()
    if settings.guidellm is not None:
        found = shutil.which(settings.guidellm)
        if found is None:
            raise ServiceError(f"VITRINA_GUIDELLM names {settings.guidellm}, which is no command that can be run.")
        return Path(found).absolute()
    folder = settings.home.resolve() / "tools" / "guidellm"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not is_current(folder):
            if not quiet:
                print(f"Installing guidellm, the load generator, into {folder} ...", file=sys.stderr)
            _install(folder)
    return folder / "bin" / "guidellm"


def requirements() -> str:
    """What the environment must hold."""
    return files("vitrina.llm.benchmark").joinpath("requirements.txt").read_text(encoding="utf-8")


def is_current(folder: Path) -> bool:
    """Whether an environment is whole and made from today's requirements."""
    ready = folder / READY
    return ready.is_file() and ready.read_text(encoding="utf-8") == requirements()


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    wanted = folder.with_suffix(".txt")
    wanted.write_text(requirements(), encoding="utf-8")
    try:
        for command in _commands(folder, wanted):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise ServiceError(_why(done.stderr or done.stdout, folder))
        shutil.copyfile(wanted, folder / READY)
    except OSError as error:
        raise ServiceError(_why(str(error), folder)) from error
    finally:
        wanted.unlink(missing_ok=True)


def _commands(folder: Path, wanted: Path) -> list[list[str]]:
    """uv where there is one, beside this Python or on the path; venv and pip otherwise."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        python = str(folder / "bin" / "python")
        return [
            [sys.executable, "-m", "venv", str(folder)],
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", str(wanted)],
        ]
    links = os.environ.get("PIP_FIND_LINKS")  # pip reads it by itself
    install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(folder / "bin" / "python")]
    return [
        [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
        [*install, *(["--find-links", links] if links else []), "--requirement", str(wanted)],
    ]


def _why(output: str, folder: Path) -> str:
    said = " ".join(output.replace("×", "").replace("╰─▶", "").split())[:300].rstrip(". ")
    return (
        f"guidellm cannot be installed into {folder} ({said or 'it said nothing'}); run this once where a package "
        "index can be reached, or name a guidellm 0.8 command in VITRINA_GUIDELLM."
    )
