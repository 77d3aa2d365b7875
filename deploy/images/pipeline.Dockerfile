# The image of every pipeline task: Vitrina, its locked libraries, their bytecode. Build it in the project's folder:
#   docker build -f deploy/images/pipeline.Dockerfile -t vitrina-python:0.1.0 .
# Any Debian-like base with Python 3.11 will do; for GPUs, one with the driver's CUDA libraries.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    MLFLOW_DISABLE_TELEMETRY=true BENTOML_DO_NOT_TRACK=True DO_NOT_TRACK=true DVC_NO_ANALYTICS=1 \
    GX_ANALYTICS_ENABLED=False HF_HUB_DISABLE_TELEMETRY=1 \
    VITRINA_HOME=/tmp/vitrina HF_HOME=/tmp/huggingface

WORKDIR /opt/vitrina
COPY requirements.txt ./
RUN python3 -m pip install --requirement requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY bentos ./bentos
RUN python3 -m pip install --no-deps .
# Without bytecode the libraries of a task take three times as long to import; a few carry files that do not compile.
RUN python3 -m compileall -q -j 0 "$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" || true
# `promote` reads the policy here when a pipeline gives none. The folder holds no Python, so it shadows no library.
COPY mlflow/promotion.yaml ./mlflow/promotion.yaml

RUN useradd --uid 1000 --create-home vitrina
USER 1000
