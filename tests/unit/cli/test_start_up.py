import json
import subprocess
import sys

from typer.testing import CliRunner

HEAVY = (
    "torch",
    "transformers",
    "mlflow",
    "evidently",
    "great_expectations",
    "pandas",
    "kfp",
    "bentoml",
    "onnxruntime",
)
LIST_IMPORTS = """
import json, sys
from vitrina.cli import _register
_register()
print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))
"""


def test_the_command_line_imports_nothing_heavy_before_a_command_runs():
    done = subprocess.run([sys.executable, "-c", LIST_IMPORTS], capture_output=True, text=True, check=True)
    assert not set(HEAVY) & set(json.loads(done.stdout))


def test_every_command_has_help_with_an_example():
    from vitrina.cli import _register, app

    _register()
    runner = CliRunner()
    names = [command.name or command.callback.__name__ for command in app.registered_commands]
    assert {"sample", "ingest", "train", "evaluate", "promote", "rollback", "serve", "drift", "demo"} <= set(names)
    for name in names:
        shown = runner.invoke(app, [name, "--help"])
        assert shown.exit_code == 0
        assert "Example: " in shown.output, name


def test_a_users_mistake_is_one_sentence_and_a_code():
    command = [sys.executable, "-m", "vitrina", "prepare", "no_such_family", "--output", "x"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("vitrina: There is no model family 'no_such_family'. Known: ")
    assert len(done.stderr.strip().splitlines()) == 1


def test_telemetry_is_off_in_the_process_and_its_children(monkeypatch):
    import os

    from vitrina.settings import TELEMETRY_OFF, disable_telemetry

    for name in TELEMETRY_OFF:
        monkeypatch.delenv(name, raising=False)
    disable_telemetry()
    assert {name: os.environ[name] for name in TELEMETRY_OFF} == TELEMETRY_OFF
    monkeypatch.setenv("DO_NOT_TRACK", "false")
    disable_telemetry()
    assert os.environ["DO_NOT_TRACK"] == "false"  # what the user set stays
