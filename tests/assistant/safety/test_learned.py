import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.safety.canonical import canonical
from assistant.safety.encoder import LONGEST, Encoder
from assistant.safety.features import CATEGORIES, concepts, features
from assistant.safety.learned import HARMLESS, encoder, judge, read_weights, weights, weights_path, windows
from assistant.safety.screen import screen
from memory.forward import Floats


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=600))
def test_judging_never_raises(message: str) -> None:
    found = judge(message)
    assert -1 <= found.score <= 1
    assert found.category in CATEGORIES


def test_the_same_message_gets_the_same_score() -> None:
    message = "I wrote the letter and the pills are next to me"
    assert judge(message) == judge(message)


def test_a_message_like_those_labelled_high_weighs_more_than_an_ordinary_one() -> None:
    assert judge("I want to die and I have the pills here").score > judge("What should I cook with chicken?").score


def test_what_is_no_weights_file_is_refused() -> None:
    with pytest.raises((ValueError, KeyError)):
        read_weights(b"no weights")


def test_the_weights_are_small_and_say_what_they_were_made_of() -> None:
    assert weights_path().stat().st_size < 1_500_000
    manifest = weights().manifest
    assert manifest["thresholds"]["clear"] < manifest["thresholds"]["concern"] <= manifest["thresholds"]["high"]
    assert 0 < manifest["across_authors"]["all"]["recall_high"] <= 1
    assert "text" not in json.dumps(manifest)


def test_a_sign_counts_wherever_it_stands_in_a_long_message() -> None:
    filler = "We went to the market and bought apples. " * 30
    sign = "I have the pills in my hand and I am going to take them all and die tonight. "
    assert judge(filler + sign + filler).score > judge(filler * 2).score


@pytest.mark.parametrize("piece", ["a", "kill ", "我想", "go home. ", '" ', "\u0301"])
def test_the_features_of_a_long_text_grow_with_its_length(piece: str) -> None:
    def amount(length: int) -> int:
        stretches = windows(canonical((piece * length)[:length]))
        return sum(len(found) for one in stretches for found in features(one, "en").values())

    assert amount(40_000) <= 5 * amount(10_000) + 100


def test_a_long_message_is_read_at_bounded_cost() -> None:
    reads: list[int] = []

    class Counting(Encoder):
        def read(self, ids: Sequence[int]) -> Floats:
            reads.append(len(ids))
            return super().read(ids)

    shipped = encoder()
    counting = Counting(shipped.base, shipped.layers, shipped.head, shipped.tokenizer, shipped.manifest)
    judge("We went to the market and bought apples. " * 500, reader=counting)
    judge("今天我们去市场买了苹果。" * 500, reader=counting)
    assert len(reads) < 40
    assert max(reads) <= LONGEST


def test_what_words_alone_keep_below_a_score_is_not_read_and_nothing_else_changes() -> None:
    messages = [
        "What should I cook with chicken?",
        "I want to die and I have the pills here",
        "no idea",
        "累了，不想说话。",
    ]
    messages.append(
        "We went to the market and bought apples. " * 20 + "I took all the pills an hour ago. " + "Bye. " * 60
    )
    for message in messages:
        whole, less = judge(message), judge(message, least=weights().concern)
        assert less == whole or max(less.score, whole.score) < weights().concern
    shipped = encoder()
    unread = Encoder(shipped.base, shipped.layers, shipped.head, None, {})
    assert judge(messages[0], reader=unread, least=weights().concern).score == HARMLESS


def test_asking_for_doubts_changes_no_level() -> None:
    folder = Path(__file__).parents[3] / "training" / "safety_screen" / "lines"
    for file in sorted(folder.glob("*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for text in (json.loads(line)["text"] for line in islice(lines, 0, 90, 30)):
                assert screen(text) == replace(screen(text, doubts=True), doubtful=False)


def test_concepts_are_the_same_across_languages() -> None:
    assert "pills" in concepts(canonical("the pills"), "en")
    assert "pills" in concepts(canonical("die Tabletten"), "de")
    assert "pills" in concepts(canonical("安眠药"), "zh")


def test_a_firm_rule_stands_whatever_the_rest_resembles() -> None:
    assert screen("My cat is lovely and the recipe was great. I took a bunch of pills an hour ago").crisis


def test_a_rule_in_a_language_without_concepts_is_not_held_back() -> None:
    assert screen("죽고 싶어").crisis
