"""Every notebook runs from top to bottom, against a server that is there or one that it starts by itself."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.llm_server import LLMServer
from vitrina.errors import ServiceError
from vitrina.llm.benchmark.environment import guidellm

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
STARTS_ITS_OWN = "02_api_testing"
BENCHMARK = "03_performance_benchmark"


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path):
    for cell in read(path).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, request, tmp_path, monkeypatch):
    monkeypatch.delenv("VITRINA_LLM_URL", raising=False)
    if path.stem == BENCHMARK:
        try:
            monkeypatch.setenv("VITRINA_GUIDELLM", str(guidellm(quiet=True)))
        except ServiceError as error:
            pytest.skip(str(error))
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    if path.stem != STARTS_ITS_OWN:
        server: LLMServer = request.getfixturevalue("llm_server")
        monkeypatch.setenv("VITRINA_LLM_URL", server.url)
        monkeypatch.setenv("VITRINA_LLM_MODEL", server.model)
    resources = {"metadata": {"path": str(path.parent)}}
    done = NotebookClient(read(path), timeout=600, kernel_name="python3", resources=resources).execute()
    assert all(cell.get("outputs") for cell in done.cells if cell.cell_type == "code" and shows(cell.source))


def shows(source: str) -> bool:
    """Whether a cell's last line is something to look at, not an assignment or an import."""
    last = source.strip().splitlines()[-1]
    return last.startswith("print(") or last.isidentifier()
