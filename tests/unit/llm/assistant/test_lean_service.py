from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from bentos.assistant.service import build
service = build()
service.start()
service.close()
print([name for name in ("torch", "transformers", "mlflow", "pandas", "scipy") if name in sys.modules])
"""


def built(home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VITRINA_")}
    environment = kept | {"VITRINA_HOME": str(home)} | env
    root = Path(__file__).parents[4]
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, cwd=root, capture_output=True, text=True, check=False
    )


def test_it_starts_without_registry_and_catalogue_and_loads_neither(tmp_path: Path) -> None:
    done = built(tmp_path, VITRINA_LLM_URL="http://localhost:1/v1")
    assert done.stdout.strip() == "[]", done.stderr


def test_without_a_language_model_it_says_what_to_set(tmp_path: Path) -> None:
    done = built(tmp_path)
    assert done.returncode != 0
    assert "set VITRINA_LLM_URL" in done.stderr
