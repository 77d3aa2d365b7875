"""The exported graphs say what transformers' T5 says; a pretrained T5 is loaded from its folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from vitrina.errors import UsageError
from vitrina.families.product_describer import modeling, serving, trainer
from vitrina.families.product_describer.configuration import Options
from vitrina.families.product_describer.decoding import Search
from vitrina.families.product_describer.tokens import END, PAD, UNKNOWN, train_tokenizer

NOTHING = np.zeros(0, dtype=np.int64)
SOURCES = [[300, 301, 302, 1], [310, 311, 1], [305, 306, 307, 308, 309, 1]]


@pytest.fixture(scope="module")
def pair(describer_folder: Path) -> tuple[T5ForConditionalGeneration, serving.Describer]:
    model = T5ForConditionalGeneration.from_pretrained(describer_folder).eval()
    return model, serving.load(describer_folder, "model.onnx")


def test_each_step_has_the_logits_of_transformers_also_where_rows_are_padded(pair) -> None:
    model, described = pair
    written = torch.tensor([[described.texts.pad, 290, 291, 292, 293]] * len(SOURCES))
    width = max(map(len, SOURCES))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in SOURCES])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in SOURCES])
    with torch.inference_mode():
        expected = model(input_ids=ids, attention_mask=mask, decoder_input_ids=written).logits.numpy()
    generator = described.generator
    features = generator.encoder.run(["features"], {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
    past = np.zeros((*features.shape[:3], 0, features.shape[4]), dtype=np.float32)
    for step in range(written.shape[1]):
        feed = {
            "token": written[:, step].numpy(),
            "features": features,
            "attention_mask": mask.numpy(),
            "past": past,
            "distance": np.arange(step, -1, -1),
        }
        logits, past = generator.decoder.run(["logits", "present"], feed)
        np.testing.assert_allclose(logits, expected[:, step], atol=1e-3)


def test_one_beam_is_the_greedy_text_of_transformers(pair) -> None:
    model, described = pair
    how = Search(width=1, no_repeat=0, tokens=20)
    found = described.generator.search(SOURCES, [NOTHING] * len(SOURCES), how)
    for source, hypotheses in zip(SOURCES, found, strict=True):
        expected = model.generate(torch.tensor([source]), max_new_tokens=20, do_sample=False)[0, 1:].tolist()
        assert list(hypotheses[0].ids) == [each for each in expected if each != described.texts.end]


def test_sources_searched_together_give_what_each_gives_alone(pair) -> None:
    generator = pair[1].generator
    how = Search(width=4, tokens=20)
    together = generator.search(SOURCES, [NOTHING] * len(SOURCES), how)
    for source, hypotheses in zip(SOURCES, together, strict=True):
        alone = generator.search([source], [NOTHING], how)[0]
        assert [each.ids for each in alone] == [each.ids for each in hypotheses]
        assert [each.score for each in hypotheses] == sorted((each.score for each in hypotheses), reverse=True)


def test_sampling_is_repeatable_by_seed_and_a_tiny_nucleus_is_greedy(pair) -> None:
    generator = pair[1].generator

    def drawn(**how: float) -> list[tuple[int, ...]]:
        found = generator.search(SOURCES, [NOTHING] * 3, Search(width=4, temperature=1.5, tokens=20, **how))  # type: ignore[arg-type]
        return [each.ids for hypotheses in found for each in hypotheses]

    assert drawn(seed=3) == drawn(seed=3)
    assert drawn(seed=3) != drawn(seed=4)
    greedy = generator.search(SOURCES, [NOTHING] * 3, Search(width=1, tokens=20))
    assert set(drawn(top_p=1e-6)) == {each[0].ids for each in greedy}


def test_banned_pieces_and_repeated_runs_are_never_written(pair) -> None:
    generator, texts = pair[1].generator, pair[1].texts
    free = generator.search(SOURCES[:1], [NOTHING], Search(width=2, tokens=12))[0][0]
    banned = np.array([free.ids[0]])
    found = generator.search(SOURCES[:1], [banned], Search(width=2, tokens=12))[0]
    assert all(free.ids[0] not in each.ids for each in found)
    endless = generator.search(SOURCES[:1], [np.array([texts.end])], Search(width=2, no_repeat=2, tokens=40))[0]
    pairs = list(zip(endless[0].ids, endless[0].ids[1:], strict=False))
    assert len(endless[0].ids) == 40
    assert len(pairs) == len(set(pairs))


def test_a_pretrained_t5_and_its_tokenizer_are_taken_from_their_folder(describer_data: Path, tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["a red chair", "una silla roja"] * 9, 400, [])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, unk_token=UNKNOWN
    ).save_pretrained(tmp_path)
    config = T5Config(vocab_size=tokenizer.get_vocab_size(), d_model=32, d_kv=8, num_heads=2, d_ff=32, num_layers=1)
    known = T5ForConditionalGeneration(config)
    known.save_pretrained(tmp_path)
    setup = trainer.setup(describer_data, Options(encoder=str(tmp_path)), 7, None)
    assert setup.texts.id_of("<copy:name>") is not None
    words = setup.model.get_input_embeddings().weight
    assert words.shape[0] >= setup.texts.tokenizer.get_vocab_size() > config.vocab_size
    torch.testing.assert_close(words[: config.vocab_size], known.get_input_embeddings().weight)
    batch = setup.collator([setup.train_dataset[0], setup.train_dataset[1]])
    assert torch.isfinite(setup.model(**batch).loss)


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    BertConfig(hidden_size=8, num_attention_heads=1, num_hidden_layers=1).save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="not a T5"):
        modeling.build(Options(encoder=str(tmp_path)), 500, 0, 1)
