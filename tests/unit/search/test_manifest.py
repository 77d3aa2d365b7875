"""Damage to an index folder is named in one sentence, never searched."""

from __future__ import annotations

import json
import re

import pytest
from search_support import Shop, build

from vitrina.errors import ArtifactError
from vitrina.search import open_index

PARTS = (
    "vectors.f16",
    "vectors.faiss",
    "rows.arrow",
    "tokens.npy",
    "offsets.npy",
    "docs.npy",
    "counts.npy",
    "lengths.npy",
)


@pytest.fixture
def segment(tmp_path, shop: Shop):
    """The folder of the only segment of an index in `tmp_path`."""
    build(tmp_path, shop.entries(range(40)))
    return next(tmp_path.glob("s*"))


def test_every_file_is_in_the_manifest(tmp_path, segment):
    (facts,) = json.loads((tmp_path / "index.json").read_text())["segments"]
    assert set(facts["files"]) == {f"{segment.name}/{part}" for part in PARTS}
    assert {path.name for path in segment.iterdir()} == set(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_a_file_cut_short_is_refused(tmp_path, segment, part):
    whole = (segment / part).read_bytes()
    (segment / part).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match=rf"is damaged: .*{part} has \d+ bytes and should have {len(whole)}"):
        open_index(tmp_path)


@pytest.mark.parametrize("part", PARTS)
def test_a_file_that_is_missing_is_refused(tmp_path, segment, part):
    (segment / part).unlink()
    with pytest.raises(ArtifactError, match=f"is damaged: {part} is missing; build it again"):
        open_index(tmp_path)


@pytest.mark.parametrize("part", PARTS)
def test_a_changed_byte_is_found_by_the_full_check(tmp_path, segment, part):
    content = bytearray((segment / part).read_bytes())
    content[-1] ^= 1
    (segment / part).write_bytes(content)
    with pytest.raises(ArtifactError, match=f"{part} does not match its checksum"):
        open_index(tmp_path, verify=True)


def test_damage_is_not_carried_into_a_merged_segment(tmp_path, segment, shop: Shop):
    content = bytearray((segment / "vectors.f16").read_bytes())
    content[-1] ^= 1
    (segment / "vectors.f16").write_bytes(content)
    index = open_index(tmp_path)
    with pytest.raises(ArtifactError, match="does not match its checksum"):
        index.add([shop.entries(range(100, 150))])
    assert open_index(tmp_path).facts.rows == 40


def test_a_mask_of_removed_rows_is_checked_too(tmp_path, segment):
    open_index(tmp_path).remove(["p3"])
    (mask,) = tmp_path.glob("removed-*.npy")
    mask.write_bytes(mask.read_bytes()[:-2])
    with pytest.raises(ArtifactError, match=re.escape(mask.name)):
        open_index(tmp_path)


@pytest.mark.parametrize("content", ["", "{", '{"engine": "embedded"}', '{"rows": "many"}', "[]"])
def test_a_broken_index_json_is_refused_and_a_build_repairs_it(tmp_path, segment, shop: Shop, content):
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"is damaged: index\.json cannot be read"):
        open_index(tmp_path)
    build(tmp_path, shop.entries(range(4)))
    assert open_index(tmp_path, verify=True).facts.rows == 4


def test_a_later_format_is_refused(tmp_path, segment):
    path = tmp_path / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(ArtifactError, match="has format 2, this Vitrina reads format 1"):
        open_index(tmp_path)
