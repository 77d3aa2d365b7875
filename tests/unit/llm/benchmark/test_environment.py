"""guidellm's environment: named, made once, renewed, or a sentence why not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from vitrina.errors import ServiceError
from vitrina.llm.benchmark import environment


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("VITRINA_GUIDELLM", raising=False)
    return tmp_path / "home"


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_command_of_ones_own_is_taken(home, tmp_path, monkeypatch):
    own = script(tmp_path / "bin" / "guidellm", "")
    monkeypatch.setenv("VITRINA_GUIDELLM", str(own))
    assert environment.guidellm() == own
    monkeypatch.setenv("VITRINA_GUIDELLM", str(tmp_path / "nothing"))
    with pytest.raises(ServiceError, match="no command that can be run"):
        environment.guidellm()


def test_without_a_package_index_one_sentence_says_what_to_do(home, monkeypatch, tmp_path):
    for name, value in {"UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "cache"), "PIP_FIND_LINKS": ""}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ServiceError, match=r"cannot be installed into .*VITRINA_GUIDELLM\.$") as caught:
        environment.guidellm(quiet=True)
    assert "\n" not in str(caught.value)
    assert not environment.is_current(home / "tools" / "guidellm")


def test_it_is_made_once_and_again_when_its_requirements_change(home, monkeypatch, tmp_path):
    """The installer is real up to the packages: a uv that only writes what guidellm's would be."""
    made = tmp_path / "made"
    fake = script(
        tmp_path / "uv" / "uv",
        "import pathlib, sys\n"
        f"pathlib.Path({str(made)!r}).open('a').write(sys.argv[1])\n"
        "if sys.argv[1] == 'venv':\n"
        "    path = pathlib.Path(sys.argv[-1], 'bin'); path.mkdir(parents=True); (path / 'guidellm').touch()",
    )
    monkeypatch.setattr(environment.shutil, "which", lambda name, path=None: str(fake))
    first = environment.guidellm(quiet=True)
    assert first == home / "tools" / "guidellm" / "bin" / "guidellm"
    assert first.is_file()
    environment.guidellm(quiet=True)
    assert made.read_text() == "venvpip"
    (home / "tools" / "guidellm" / environment.READY).write_text("guidellm==0.1\n")
    environment.guidellm(quiet=True)
    assert made.read_text() == "venvpip" * 2


def test_its_requirements_are_pinned_and_name_no_index():
    lines = [line for line in environment.requirements().splitlines() if not line.startswith("#")]
    assert all("==" in line and "://" not in line for line in lines)
    assert any(line.startswith("guidellm==0.8") for line in lines)
    assert os.linesep.join(lines).count("torch==") == 1
