import pytest
import torch

from vitrina.families.layers.text_encoder import encoder_config
from vitrina.families.product_embedder.configuration import Options, ProductEmbedderConfig
from vitrina.families.product_embedder.modeling import CategoryVector, PriceVector, ProductEmbedder, cut


@pytest.fixture
def model(tiny_encoder):
    torch.manual_seed(0)
    config = ProductEmbedderConfig(
        encoder=encoder_config(str(tiny_encoder)),
        dimensions=(96, 32, 16),
        lexical_width=32,
        lexical_buckets=500,
        side_width=8,
        category_buckets=50,
        dropout=0.0,
    )
    model = ProductEmbedder(config)
    model.start()
    return model.eval()


def inputs(rows=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.arange(rows) % 4 + 3
    mask = (torch.arange(8) < lengths[:, None]).long()
    return {
        "input_ids": torch.randint(5, 50, (rows, 8), generator=generator) * mask,
        "attention_mask": mask,
        "ngram_ids": torch.randint(1, 500, (rows, 20), generator=generator),
        "price": torch.tensor([[0.3, 1.0]]).repeat(rows, 1),
        "category_ids": torch.randint(1, 50, (rows, 3), generator=generator),
    }


def test_vectors_have_length_one_and_the_asked_width(model):
    vectors = model.embed(**inputs())
    assert vectors.shape == (6, 96)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(6))


def test_grouping_by_length_changes_no_vector(model):
    batch = inputs()
    torch.testing.assert_close(model.embed(**batch), model.embed(**batch, traced=True), rtol=1e-4, atol=1e-5)


def test_a_row_does_not_depend_on_its_batch(model):
    batch = inputs()
    alone = model.embed(**{name: value[2:3] for name, value in batch.items()})
    torch.testing.assert_close(model.embed(**batch)[2:3], alone, rtol=1e-4, atol=1e-5)


def test_before_training_the_fused_vector_keeps_the_angles_of_its_parts(model):
    batch = inputs()
    text = torch.nn.functional.normalize(model.encoder(batch["input_ids"], batch["attention_mask"]), dim=1)
    bag = torch.nn.functional.normalize(model.lexical(batch["ngram_ids"]), dim=1)
    sides = torch.cat([0.1 * model.price(batch["price"]), 0.3 * model.category(batch["category_ids"])], 1)
    joined = torch.nn.functional.normalize(torch.cat([text, bag, sides], 1), dim=1)
    vectors = model.embed(**batch)
    torch.testing.assert_close(vectors @ vectors.T, joined @ joined.T, rtol=1e-4, atol=1e-4)


def test_every_part_moves_the_vector(model):
    batch = inputs()
    plain = model.embed(**batch)
    for name, value in {
        "input_ids": batch["input_ids"].flip(0) * batch["attention_mask"],
        "ngram_ids": batch["ngram_ids"].flip(1) % 7 + 1,
        "price": torch.zeros(6, 2),
        "category_ids": torch.zeros(6, 3, dtype=torch.long),
    }.items():
        assert not torch.allclose(model.embed(**(batch | {name: value})), plain, atol=1e-4), name


def test_an_unknown_price_is_a_learned_vector_whatever_number_stands_there():
    price = PriceVector(4)
    torch.nn.init.normal_(price.unknown)
    rows = price(torch.tensor([[0.0, 0.0], [5.0, 0.0]]))
    torch.testing.assert_close(rows, price.unknown.repeat(2, 1))
    torch.testing.assert_close(price(torch.tensor([[90.0, 1.0]])), price(torch.tensor([[4.0, 1.0]])))


def test_an_unknown_category_is_a_learned_vector():
    category = CategoryVector(20, 4)
    torch.nn.init.normal_(category.unknown)
    torch.testing.assert_close(category(torch.zeros(1, 3, dtype=torch.long))[0], category.unknown)
    assert not torch.allclose(category(torch.tensor([[3, 0, 0]]))[0], category.unknown)


def test_rare_ngrams_start_heavier(model):
    model.start(torch.linspace(0.001, 0.9, 500))
    weights = model.lexical.embedding.weight
    assert weights[1:50].norm(dim=1).mean() > 3 * weights[-50:].norm(dim=1).mean()
    assert not weights[0].any()


def test_the_loss_pulls_answers_and_pushes_the_others(model):
    queries = torch.eye(3, 96)
    right = model.contrast(queries, queries, 2 * torch.eye(3) - 1)
    wrong = model.contrast(queries, queries.roll(1, 0), 2 * torch.eye(3) - 1)
    assert right < 0.1 < wrong


def test_what_is_not_known_counts_for_nothing(model):
    generator = torch.Generator().manual_seed(1)
    queries, products = (cut(torch.randn(2, 96, generator=generator), 96) for _ in range(2))
    labels = torch.tensor([[1, 0], [0, 1]])
    assert model.contrast(queries, products, labels) == 0
    assert model.contrast(queries, products, torch.tensor([[1, -1], [-1, 1]])) > 0


def test_several_answers_do_not_compete(model):
    queries = torch.eye(2, 96)
    twins = torch.eye(1, 96).repeat(2, 1)
    both = torch.tensor([[1, 1], [-1, -1]])
    one = torch.tensor([[1, -1], [-1, -1]])
    assert model.contrast(queries, twins, both) < model.contrast(queries, twins, one)


def test_the_loss_reaches_every_part(model):
    model.train()
    labels = 2 * torch.eye(3) - 1
    model(**inputs(), labels=labels).loss.backward()
    for name, value in model.named_parameters():
        if "pooler" not in name and "unknown" not in name and "mix.0" not in name:
            assert value.grad is not None, name
            assert value.grad.abs().sum() > 0, name


def test_dimensions_must_fall():
    with pytest.raises(ValueError, match="fall from the first"):
        Options(dimensions=(128, 256))
