import torch
from transformers import AutoConfig

from vitrina.families.intent_classifier.configuration import IntentClassifierConfig
from vitrina.families.intent_classifier.modeling import IntentClassifier, WordPairs


def model(tiny_encoder, **changes):
    torch.manual_seed(0)
    config = IntentClassifierConfig(
        encoder=AutoConfig.from_pretrained(tiny_encoder).to_dict(), id2label={0: "a", 1: "b", 2: "c"}, **changes
    )
    return IntentClassifier(config).eval()


def test_output_shapes_and_unit_embeddings(tiny_encoder):
    ids = torch.randint(5, 50, (4, 7))
    output = model(tiny_encoder)(ids, torch.ones_like(ids))
    assert output.logits.shape == (4, 3)
    assert output.oos_score.shape == (4,)
    torch.testing.assert_close(output.embedding.norm(dim=1), torch.ones(4))


def test_padding_changes_nothing(tiny_encoder):
    classifier = model(tiny_encoder, lexical_width=8, lexical_buckets=1024)
    torch.nn.init.normal_(classifier.lexical_head.weight)
    ids = torch.randint(5, 50, (1, 7))
    padded = torch.cat([ids, torch.zeros(1, 5, dtype=torch.long)], dim=1)
    mask = (padded > 0).long()
    plain = classifier(ids, torch.ones_like(ids))
    torch.testing.assert_close(classifier(padded, mask).logits, plain.logits, rtol=1e-4, atol=1e-5)


def test_word_pairs_see_word_order():
    bag = WordPairs(buckets=4096, width=4)
    mask = torch.ones(1, 5, dtype=torch.long)
    one, other = torch.tensor([[101, 11, 12, 13, 102]]), torch.tensor([[101, 13, 12, 11, 102]])
    assert not torch.allclose(bag(one, mask), bag(other, mask))


def test_out_of_scope_rows_are_pushed_to_uniform(tiny_encoder):
    classifier = model(tiny_encoder)
    uniform, sure = torch.zeros(1, 3), torch.tensor([[9.0, 0.0, 0.0]])
    outside = torch.tensor([-1])
    assert classifier.loss(uniform, outside) < classifier.loss(sure, outside)
    inside = torch.tensor([0])
    assert classifier.loss(sure, inside) < classifier.loss(uniform, inside)


def test_the_outlier_weight_scales_only_out_of_scope_rows(tiny_encoder):
    logits = torch.tensor([[2.0, 0.0, 0.0]])
    plain, doubled = model(tiny_encoder), model(tiny_encoder, outlier_weight=2.0)
    outside, inside = torch.tensor([-1]), torch.tensor([1])
    torch.testing.assert_close(doubled.loss(logits, outside), 2 * plain.loss(logits, outside))
    torch.testing.assert_close(doubled.loss(logits, inside), plain.loss(logits, inside))


def test_label_smoothing_agrees_with_torch(tiny_encoder):
    logits, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    expected = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
    torch.testing.assert_close(model(tiny_encoder).loss(logits, labels, smoothing=0.1), expected)


def test_the_out_of_scope_score_is_the_free_energy(tiny_encoder):
    ids = torch.randint(5, 50, (2, 5))
    output = model(tiny_encoder)(ids, torch.ones_like(ids))
    torch.testing.assert_close(output.oos_score, -torch.log(output.logits.exp().sum(1)))


def test_a_model_is_saved_and_loaded_with_the_same_answers(tiny_encoder, tmp_path):
    classifier = model(tiny_encoder, lexical_width=8, lexical_buckets=1024)
    classifier.save_pretrained(tmp_path)
    ids = torch.randint(5, 50, (2, 6))
    again = IntentClassifier.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(again(ids, torch.ones_like(ids)).logits, classifier(ids, torch.ones_like(ids)).logits)
