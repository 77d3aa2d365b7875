import re

import numpy as np
import pytest
from PIL import Image

from vitrina.evaluation.catalogue_map import HTML, PNG, catalogue_map, project


def clusters(count=80, seed=0):
    rng = np.random.default_rng(seed)
    sides = np.arange(count) % 2
    return rng.normal(size=(count, 16)) * 0.1 + np.eye(16)[sides], sides


def test_the_map_is_a_picture_and_a_page_that_needs_no_network(tmp_path):
    vectors, sides = clusters()
    files = catalogue_map(vectors, [f"kind {side}" for side in sides], [f"product {i}" for i in range(80)], tmp_path)
    assert files == [tmp_path / PNG, tmp_path / HTML]
    assert Image.open(tmp_path / PNG).size[0] > 1000
    page = (tmp_path / HTML).read_text()
    assert "product 79" in page
    assert "kind 1" in page
    assert not re.search(r"<script[^>]+src=", page)


def test_what_is_alike_lies_together():
    vectors, sides = clusters()
    places = project(vectors)
    one, other = places[sides == 0], places[sides == 1]
    apart = np.linalg.norm(one.mean(0) - other.mean(0))
    assert apart > 2 * np.linalg.norm(one - one.mean(0), axis=1).mean()


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_products_have_a_map_too(tmp_path, count):
    vectors, _ = clusters(count)
    catalogue_map(vectors, [None] * count, ["a"] * count, tmp_path)
    assert (tmp_path / PNG).is_file()


def test_many_labels_share_the_grey(tmp_path):
    vectors, _ = clusters(60)
    catalogue_map(vectors, [f"kind {i // 2}" for i in range(60)], ["a"] * 60, tmp_path)
    assert '"other"' in (tmp_path / HTML).read_text()
