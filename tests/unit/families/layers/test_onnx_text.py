from __future__ import annotations

from vitrina.families.layers.onnx_text import _by_length


def test_rows_are_grouped_so_that_little_is_padded() -> None:
    lengths = [5, 60, 6, 5, 7, 58, 6]
    groups = _by_length(lengths)
    assert sorted(row for group in groups for row in group) == list(range(7))
    assert [sorted(lengths[row] for row in group) for group in groups] == [[5, 5, 6, 6, 7], [58, 60]]
