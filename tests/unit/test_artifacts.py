import errno
import os

import pytest

from vitrina import artifacts
from vitrina.errors import ArtifactError


def test_a_staged_folder_appears_whole(tmp_path):
    target = tmp_path / "model"
    with artifacts.staged_folder(target) as folder:
        (folder / "a.txt").write_text("a")
        assert not target.exists()
    assert (target / "a.txt").read_text() == "a"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_staged_folder_replaces_the_old_one_and_keeps_nothing_of_it(tmp_path):
    target = tmp_path / "model"
    for name in ("old.txt", "new.txt"):
        with artifacts.staged_folder(target) as folder:
            (folder / name).write_text(name)
    assert [path.name for path in target.iterdir()] == ["new.txt"]


def test_a_failed_write_leaves_the_old_folder_and_no_rest(tmp_path):
    target = tmp_path / "model"
    with artifacts.staged_folder(target) as folder:
        (folder / "a.txt").write_text("old")
    with pytest.raises(RuntimeError), artifacts.staged_folder(target) as folder:
        (folder / "a.txt").write_text("new")
        raise RuntimeError
    assert (target / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_full_disk_is_one_sentence_and_leaves_no_half_folder(tmp_path):
    target = tmp_path / "model"
    with (
        pytest.raises(ArtifactError, match="No space left on device. Nothing was changed"),
        artifacts.staged_folder(target) as folder,
    ):
        (folder / "a.txt").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_json_is_replaced_atomically_and_read_back(tmp_path):
    path = tmp_path / "deep" / "x.json"
    artifacts.write_json(path, {"ñ": 1})
    artifacts.write_json(path, {"ñ": 2})
    assert artifacts.read_json(path) == {"ñ": 2}
    assert [entry.name for entry in path.parent.iterdir()] == ["x.json"]


@pytest.mark.parametrize(
    ("content", "message"), [(None, "does not exist"), (b"{", "not valid"), (b"\xff", "not valid")]
)
def test_unreadable_json_names_the_file(tmp_path, content, message):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtifactError, match=message):
        artifacts.read_json(path)


def test_a_manifest_proves_every_file(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.bin").write_bytes(b"1")
    artifacts.write_manifest(tmp_path, family="x")
    assert artifacts.verify_manifest(tmp_path)["family"] == "x"
    (tmp_path / "sub" / "a.bin").write_bytes(b"2")
    with pytest.raises(ArtifactError, match=r"sub/a.bin does not match"):
        artifacts.verify_manifest(tmp_path)
    (tmp_path / "sub" / "a.bin").unlink()
    with pytest.raises(ArtifactError, match=r"sub/a.bin is missing"):
        artifacts.verify_manifest(tmp_path)


def test_a_folder_without_manifest_is_not_a_model(tmp_path):
    with pytest.raises(ArtifactError, match=r"has no manifest.json"):
        artifacts.verify_manifest(tmp_path)
    with pytest.raises(ArtifactError, match="does not exist"):
        artifacts.verify_manifest(tmp_path / "none")


def test_a_data_version_follows_contents_not_names(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("same")
    two.write_text("same")
    assert artifacts.digest_of([one]) == artifacts.digest_of([two])
    two.write_text("other")
    assert artifacts.digest_of([one]) != artifacts.digest_of([two])
