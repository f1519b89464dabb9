import numpy as np
import pytest

from memory.persona.words import TRAITS, word_scores, words
from memory.types import Trait


def score(text: str, trait: Trait) -> float:
    return float(word_scores([text])[0, TRAITS.index(trait)])


def test_words_are_lower_case_and_keep_their_apostrophes() -> None:
    assert words("Don’t PANIC, it's fine.") == ["don't", "panic", "it's", "fine"]


@pytest.mark.parametrize(
    ("trait", "high", "low"),
    [
        (Trait.NEUROTICISM, "I am so worried and afraid and sad today", "you all went there in the car today"),
        (Trait.AGREEABLENESS, "our family had a wonderful time together", "I hate that damn stupid idiot so much"),
        (Trait.CONSCIENTIOUSNESS, "we finished the work and won the award", "I hate this shit and never do anything"),
        (Trait.OPENNESS, "the ghost of the author in the text", "we went to my house for lunch yesterday"),
        (Trait.EXTRAVERSION, "you and our friends love the party", "perhaps I should avoid it and never stop there"),
    ],
)
def test_published_markers_point_where_they_should(trait: Trait, high: str, low: str) -> None:
    assert score(high, trait) > 0 > score(low, trait)


def test_no_words_say_nothing() -> None:
    assert np.array_equal(word_scores(["", "123 !!"]), np.zeros((2, 5)))


def test_everyday_speech_lies_near_zero() -> None:
    everyday = ["I have a meeting at three and then I will go home to cook something for the kids."] * 3
    assert np.all(np.abs(word_scores(everyday)) < 2.5)
