"""guidellm's scenario, and its process: heard, ended, and its failure told. The real one runs in test_sweep.py."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from vitrina.errors import ServiceError
from vitrina.llm.benchmark import engine
from vitrina.llm.benchmark.load import Load
from vitrina.llm.endpoint import Endpoint
from vitrina.llm.sampling import Sampling

ENDPOINT = Endpoint(url="http://127.0.0.1:9/v1", model="granite", key=SecretStr("sk-secret"))


def command(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "guidellm"
    path.write_text(f"#!{sys.executable}\nimport json, os, pathlib, sys, time\n{text}\n")
    path.chmod(0o755)
    return path


def run(tmp_path: Path, text: str, seconds: float = 30) -> list[str]:
    said: list[str] = []
    engine.run(command(tmp_path, text), {"spec": {}}, ENDPOINT, tmp_path, seconds, said.append)
    return said


def test_a_level_of_streams_asks_for_the_catalogues_prompts(tmp_path):
    load = Load(levels=(1, 4), requests=20, warmup=2, sampling=Sampling(max_tokens=64, temperature=0, seed=3))
    spec = engine.scenario(load, 1, ENDPOINT, tmp_path / "prompts.jsonl", tmp_path / "report.json")["spec"]
    assert spec["profile"] == {"kind": "concurrent", "streams": [4], "warmup": {"mode": "requests", "value": 4}}
    assert spec["constraints"][0] == {"kind": "min_requests", "count": 28}
    assert spec["data"] == [{"kind": "json_file", "path": str(tmp_path / "prompts.jsonl")}]
    assert spec["backend"]["max_tokens"] == 64
    assert spec["backend"]["extras"]["body"] == {"temperature": 0, "top_p": 0.9, "frequency_penalty": 0.2, "seed": 3}


def test_synthetic_prompts_differ_between_levels(tmp_path):
    load = Load(arrivals="poisson", levels=(0.5, 1), prompt_tokens=300, whole_answers=True)
    first, second = (engine.scenario(load, place, ENDPOINT, "tok", tmp_path / "r.json")["spec"] for place in (0, 1))
    assert first["data"] == [{"kind": "synthetic_text", "prompt_tokens": 300}]
    assert first["tokenizer"]["model"] == "tok"
    assert first["seed"] != second["seed"]
    assert first["profile"]["rate"] == [0.5]
    assert first["backend"]["extras"]["body"]["ignore_eos"] is True


@pytest.mark.parametrize(
    ("url", "route"), [("http://h/v1", "v1/chat/completions"), ("http://h/api", "chat/completions")]
)
def test_the_address_is_the_one_that_the_client_asks(url, route, tmp_path):
    spec = engine.scenario(Load(), 0, Endpoint(url=url, model="m"), tmp_path, tmp_path)["spec"]
    assert spec["backend"]["api_routes"] == {"/v1/chat/completions": route}


def test_the_key_is_handed_over_and_written_nowhere(tmp_path):
    run(tmp_path, "pathlib.Path('seen').write_text(os.environ['GUIDELLM__SPEC__BACKEND__API_KEY'][:3])")
    assert (tmp_path / "seen").read_text() == "sk-"
    kept = [path.read_text() for path in (tmp_path / "scenario.json", tmp_path / "guidellm.log")]
    assert not any("secret" in text for text in kept)
    written = json.dumps(engine.scenario(Load(), 0, ENDPOINT, tmp_path, tmp_path))
    assert "secret" not in written


def test_what_guidellm_says_of_its_progress_is_passed_on(tmp_path):
    line = "26-11-21 22:00:00|INFO    |guidellm:_log_update:420 - Benchmark 1 (concurrent@4): active | elapsed=10.0s | "
    said = run(tmp_path, f"print({line!r} + 'successful=12 errored=1 incomplete=0 | requests/s=1.20')\nprint('else')")
    assert said == ["active, 12 answered, 1 failed"]
    assert "else" in (tmp_path / "guidellm.log").read_text()


def test_a_failure_is_one_sentence_with_its_last_words(tmp_path):
    with pytest.raises(ServiceError, match=r"guidellm failed \(ValueError: no data\); see .*guidellm\.log\.$"):
        run(tmp_path, "print('starting')\nsys.exit('ValueError: no data')")


def test_a_guidellm_that_hangs_is_ended_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "START_UP", 3.0)
    child = "import time; time.sleep(60)"
    text = (
        "import subprocess\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "pathlib.Path('child').write_text(str(child.pid))\n"
        "time.sleep(60)"
    )
    started = time.monotonic()
    with pytest.raises(ServiceError, match="guidellm failed"):
        run(tmp_path, text, seconds=0.5)
    assert time.monotonic() - started < 20
    pid = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "its child lives on"
        time.sleep(0.05)


def test_settings_of_another_guidellm_do_not_reach_this_one(tmp_path, monkeypatch):
    monkeypatch.setenv("GUIDELLM__SPEC__BACKEND__TARGET", "http://elsewhere")
    run(tmp_path, "pathlib.Path('seen').write_text(json.dumps(dict(os.environ)))")
    seen = json.loads((tmp_path / "seen").read_text())
    assert "GUIDELLM__SPEC__BACKEND__TARGET" not in seen
    assert 1 <= int(seen["GUIDELLM__MAX_WORKER_PROCESSES"]) <= max(1, len(os.sched_getaffinity(0)) // 2)
