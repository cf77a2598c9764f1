"""Metrics of words and characters."""

import pytest

from thesis_lib.validation import metrics


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Hello, World!", "en", "hello world"),
        ("It's 32 floors.", "en", "it's thirty two floors"),
        ("1,200 people", "en", "one thousand two hundred people"),
        ("¿Tiene 7 gatos?", "es", "tiene siete gatos"),
        ("26" + "0" * 400, "en", "two six" + " zero" * 400),
    ],
)
def test_normalise_text(text, language, expected):
    assert metrics.normalise_text(text, language).replace(" and ", " ") == expected


def test_word_errors_by_hand():
    # one substitution (b -> x), one deletion (f), one insertion (e)
    assert metrics.word_errors("a x c d e", "a b c f d") == (3, 5)
    assert metrics.word_errors("Hello world", "hello, world!") == (0, 2)
    with pytest.raises(metrics.MetricError):
        metrics.word_errors("a", "!?")


def test_bleu_needs_both_sides_normalised():
    references = ["The quick brown fox, he said, jumps over 2 lazy dogs!"] * 3
    recognised = ["the quick brown fox he said jumps over two lazy dogs"] * 3
    import sacrebleu

    assert metrics.corpus_bleu(recognised, references) == pytest.approx(100)
    assert sacrebleu.corpus_bleu(recognised, [references]).score < 40


def test_a_corpus_of_some_sentences_is_scored_as_sacrebleu_does():
    from sacrebleu.metrics import BLEU, CHRF, TER

    recognised = ["the cat sat on the mat", "there is a dog in the garden", "we went home", "it rains again today"]
    said = ["the cat sat on a mat", "there was a dog in the garden", "we all went home early", "it rains again"]
    for name, theirs in (("BLEU", BLEU()), ("CHRF", CHRF()), ("TER", TER())):
        score = metrics.corpus_scorer(name, recognised, said)
        for some in ([0, 1, 2, 3], [1, 1, 3], [2, 0]):
            expected = theirs.corpus_score([recognised[i] for i in some], [[said[i] for i in some]]).score
            assert score(some) == pytest.approx(expected)
    assert metrics.corpus_chrf(recognised, recognised) == pytest.approx(100)
    assert "tok:13a" in metrics.signature("BLEU")
    assert "nc:6" in metrics.signature("CHRF")
    assert "tok:tercom" in metrics.signature("TER")


@pytest.mark.parametrize(
    ("recognised", "references", "percent"),
    [
        (["the cat sat on the mat"], ["the cat sat on the mat"], 0),
        (["The cat, SAT on 2 mats!"], ["the cat sat on two mats"], 0),  # both sides normalised
        (["the cat sat on the mat"], ["the cat sat on a mat"], 100 / 6),  # one substitution of six words
        (["on the mat the cat sat"], ["the cat sat on the mat"], 100 / 6),  # three words moved at once: one edit
        ([""], ["a b"], 100),  # two insertions
        (["a b c"], ["d"], 300),  # two deletions and a substitution: more edits than words
        # One edit of six words and two of three: not the mean of the sentences' 16.7 and 66.7.
        (["the cat sat on the mat", "a dog"], ["the cat sat on a mat", "the dog barks"], 300 / 9),
    ],
)  # fmt: skip
def test_ter_by_hand(recognised, references, percent):
    assert metrics.corpus_ter(recognised, references) == pytest.approx(percent)


def test_a_moved_phrase_costs_more_word_errors_than_edits():
    said = "the cat sat on the mat"
    errors, words = metrics.word_errors("on the mat the cat sat", said)
    assert 100 * errors / words > metrics.corpus_ter(["on the mat the cat sat"], [said])


def test_character_errors_by_hand():
    assert metrics.character_errors("cat", "cart") == (1, 4)
    assert metrics.character_errors("A cat!", "a cat") == (0, 5)
