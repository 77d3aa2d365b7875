"""Fetching from a server, verifying on disk; never a file that is not the published one."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from vitrina.contracts import TABLES
from vitrina.data.fetch import Dataset, fetch, find, read_catalogue
from vitrina.errors import DataError, UsageError

CONTENT = b"text,category\nhi,greeting\n"
DATASETS = Path(__file__).parents[3] / "data" / "datasets.yaml"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "www"
    folder.mkdir()
    (folder / "train.csv").write_bytes(CONTENT)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def dataset(url: str | None = None, digest: str = hashlib.sha256(CONTENT).hexdigest(), extra: bool = False) -> Dataset:
    origin = {"url": url} if url else {"converted": "by hand"}
    files = [{"path": "part/train.csv", "bytes": len(CONTENT), "sha256": digest, **origin}]
    if extra:
        files.append({"path": "made.json", "bytes": 1, "sha256": "0" * 64, "converted": "by hand"})
    return Dataset.model_validate({
        "name": "small", "title": "t", "licence": "MIT", "files": files,
        "sources": [{"repository": "a/b", "commit": "a" * 40}],
    })  # fmt: skip


def test_a_set_is_fetched_once_and_verified(server: str, tmp_path: Path) -> None:
    result = fetch(dataset(f"{server}/train.csv", extra=True), tmp_path / "fetched")
    file = tmp_path / "fetched" / "small" / "part" / "train.csv"
    assert file.read_bytes() == CONTENT
    assert (result.verified, result.missing) == (1, ["made.json"])
    written = file.stat().st_mtime_ns
    fetch(dataset(f"{server}/train.csv"), tmp_path / "fetched")
    assert file.stat().st_mtime_ns == written


def test_a_file_that_is_not_the_published_one_is_refused_and_not_kept(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="its sha256 differs"):
        fetch(dataset(f"{server}/train.csv", digest="1" * 64), tmp_path / "fetched")
    assert not [path for path in (tmp_path / "fetched").rglob("*") if path.is_file()]


def test_no_server_and_no_such_file_are_one_sentence(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no connection"):
        fetch(dataset("http://127.0.0.1:9/train.csv"), tmp_path / "fetched")
    with pytest.raises(DataError, match="the server answered 404"):
        fetch(dataset(f"{server}/none.csv"), tmp_path / "fetched")


def test_a_set_in_the_library_is_verified_there(tmp_path: Path) -> None:
    library = tmp_path / "library"
    (library / "small" / "part").mkdir(parents=True)
    with pytest.raises(DataError, match=r"train\.csv is missing"):
        fetch(dataset(), tmp_path / "fetched", library)
    (library / "small" / "part" / "train.csv").write_bytes(CONTENT)
    assert fetch(dataset(), tmp_path / "fetched", library).folder == str(library / "small")
    with pytest.raises(DataError, match="not the published file"):
        fetch(dataset(digest="1" * 64), tmp_path / "fetched", library)
    assert not (tmp_path / "fetched").exists()


def test_a_converted_set_cannot_be_fetched_and_says_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"converted from a/b@aaaaaaa.*VITRINA_DATA"):
        fetch(dataset(), tmp_path / "fetched")


def test_the_committed_list_is_sound() -> None:
    datasets = read_catalogue(DATASETS)
    assert {"clinc150", "banking77", "hwu64", "snips", "fashion_products"} <= {one.name for one in datasets}
    assert len({one.name for one in datasets}) == len(datasets)
    assert {one.table for one in datasets} - {None} <= set(TABLES)
    for one in datasets:
        for file in one.files:
            if file.url:
                assert any(f"{source.repository}/{source.commit}" in file.url for source in one.sources), file.url


def test_a_path_out_of_the_folder_and_an_unknown_key_are_refused(tmp_path: Path) -> None:
    content = {"datasets": [dataset().model_dump(exclude_none=True)]}
    content["datasets"][0]["files"][0]["path"] = "../../etc/passwd"
    (tmp_path / "d.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UsageError, match="leads out of the data set's folder"):
        read_catalogue(tmp_path / "d.yaml")
    (tmp_path / "d.yaml").write_text("datasets: []\nextra: 1\n")
    with pytest.raises(UsageError, match="extra"):
        read_catalogue(tmp_path / "d.yaml")
    with pytest.raises(UsageError, match="does not exist"):
        read_catalogue(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="no data set 'imagenet'"):
        find("imagenet", [dataset()])
