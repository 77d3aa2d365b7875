#!/usr/bin/env bash
# Virtual environment from the locked requirements. Usage: setup.sh PYTHON VENV
set -euo pipefail
python=$1 venv=$2
command -v "$python" >/dev/null || { echo "setup: $python is needed (PYTHON=… names another)"; exit 1; }
"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --upgrade uv
install() { "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" ${PIP_FIND_LINKS:+--find-links "$PIP_FIND_LINKS"} "$@"; }
# On a machine without an NVIDIA card, set UV_TORCH_BACKEND=cpu to spare the CUDA libraries.
install --requirement requirements.txt
install --no-deps --editable .
# Without bytecode the heavy libraries take three times as long to import; plotly and test folders are hardly ever.
"$venv/bin/python" -m compileall -q -j 2 -x '/(plotly|tests?|testing)/' "$venv/lib" >/dev/null || true
touch "$venv/.ready"
