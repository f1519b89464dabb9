from hypothesis import given
from hypothesis import strategies as st

from memory.lexical import content_words, shared


def words(*texts: str) -> list[list[str]]:
    return [content_words(text) for text in texts]


def test_only_words_that_say_something_are_left() -> None:
    assert content_words("I don't think that my dog's hip is really that bad.") == ["dog", "hip", "bad"]


def test_greetings_and_bare_feelings_say_nothing() -> None:
    for text in ("Hi!", "Good morning, how are you?", "I feel so sad today.", "ok thanks", "Hallo, wie war das?", "?!"):
        assert set(content_words(text)) <= {"good"}, text


def test_scripts_without_spaces_give_pairs_of_characters() -> None:
    assert content_words("我的狗叫饼干") == ["狗叫", "叫饼", "饼干"]


def test_shared_words_count_in_any_language() -> None:
    facts = words("Mein Hund Keks ist krank.", "Ich arbeite nachts.", "Моя собака болеет.", "我的狗叫饼干")
    for message, expected in (("Keks frisst nicht.", 0), ("Wo ist собака?", 2), ("饼干今天不舒服", 3)):
        scores = shared(content_words(message), facts)
        assert scores.index(max(scores)) == expected
        assert sorted(scores)[-2] == 0


def test_a_plural_is_the_same_word() -> None:
    assert shared(content_words("Do rabbits like berries?"), words("I have a rabbit.", "I picked a berry."))[0] > 0
    assert shared(content_words("Do rabbits like berries?"), words("I have a rabbit.", "I picked a berry."))[1] > 0


def test_a_word_that_many_facts_hold_weighs_less() -> None:
    facts = words(*(f"My dog number {number} barks." for number in range(9)), "My dog eats xylitol.")
    common, rare = shared(["dog"], facts)[0], shared(["xylitol"], facts)[9]
    assert 0 < common < rare <= 1


@given(st.text(), st.lists(st.text(), max_size=5))
def test_any_text_gives_a_share_between_none_and_all(message: str, facts: list[str]) -> None:
    scores = shared(content_words(message), words(*facts))
    assert len(scores) == len(facts)
    assert all(0 <= score <= 1 for score in scores)
