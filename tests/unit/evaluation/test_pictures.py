from __future__ import annotations

import io

import numpy as np
from PIL import Image

from vitrina.evaluation.pictures import confusion, counts, most_confused

TRUTH = ["a", "a", "a", "b", "b", "c"]
SAID = ["a", "b", "b", "b", "a", "c"]


def test_the_most_confused_classes_come_first_and_are_named_in_order():
    assert most_confused(TRUTH, SAID, 2) == ["a", "b"]
    assert most_confused(TRUTH, SAID, 9) == ["a", "b", "c"]


def test_counts_are_true_by_predicted_and_leave_other_classes_out():
    np.testing.assert_array_equal(counts(TRUTH, SAID, ["a", "b"]), [[1, 2], [1, 1]])


def test_the_picture_is_a_png_that_grows_with_the_classes():
    few = Image.open(io.BytesIO(confusion(TRUTH, SAID, title="few")))
    many = [str(number) for number in range(40)]
    more = Image.open(io.BytesIO(confusion(many, many[1:] + many[:1], title="many")))
    assert few.format == "PNG"
    assert more.size > few.size
