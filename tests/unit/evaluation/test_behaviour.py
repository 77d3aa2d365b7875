from vitrina.evaluation import behaviour

TEXTS = ["where is my order", "dónde está mi pedido", "cancel everything today"]
LANGUAGES = ["en", "es", "en"]


def test_a_model_that_ignores_the_text_passes_every_check():
    results = behaviour.invariance(lambda texts: ["x"] * len(texts), TEXTS, LANGUAGES)
    assert [row["check"] for row in results] == ["typo", "case", "politeness", "punctuation"]
    assert all(row["rate"] == 1.0 and row["failures"] == [] for row in results)


def test_a_model_that_reads_case_fails_the_case_check_and_shows_samples():
    results = behaviour.invariance(
        lambda texts: ["loud" if text.isupper() else "calm" for text in texts], TEXTS, LANGUAGES
    )
    case = next(row for row in results if row["check"] == "case")
    assert case["passed"] == 0
    assert case["failures"][0] == {"text": case["failures"][0]["text"], "expected": "calm", "got": "loud"}
    assert next(row for row in results if row["check"] == "politeness")["rate"] == 1.0


def test_courtesies_are_in_the_language_of_the_text():
    seen = []
    behaviour.invariance(lambda texts: seen.extend(texts) or ["x"] * len(texts), ["dónde está mi pedido"], ["es"])
    assert any(word in " ".join(seen) for word in ("favor", "hola", "gracias", "buenas"))


def test_checks_are_the_same_for_the_same_seed():
    def run():
        seen = []
        behaviour.invariance(lambda texts: seen.extend(texts) or ["x"] * len(texts), TEXTS, LANGUAGES, seed=3)
        return seen

    assert run() == run()
