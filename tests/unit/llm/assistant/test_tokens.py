from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from vitrina.errors import UsageError
from vitrina.llm.assistant.tokens import BYTES, ROLE, Counter


def test_a_prompt_is_counted_by_the_tokenizer_it_is_given(tmp_path: Path) -> None:
    tokenizer = Tokenizer(WordLevel({"one": 0, "two": 1, "?": 2}, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    count = Counter(tmp_path / "tokenizer.json")
    assert count.of("one two three") == 3
    assert count([{"role": "system", "content": "one"}, {"role": "user", "content": "two two"}]) == 3 + 2 * ROLE


def test_without_one_it_is_estimated_from_bytes() -> None:
    assert Counter().of("ñ" * 4 * BYTES) == 8


def test_a_file_that_is_no_tokenizer_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UsageError, match="no tokenizer.json"):
        Counter(tmp_path / "tokenizer.json")
