import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.reflect.offline import MAX_FACTS_PER_MESSAGE, MAX_READ_CHARS, reflect_offline
from memory.types import Kind, Message
from tests.fakes.turns import NOON, person, reply

STATEMENTS: dict[str, Any] = tomllib.loads(Path(__file__).with_name("statements.toml").read_text("utf-8"))


def texts(*turns: Message | str, **rest: Any) -> list[str]:
    messages = [person(turn) if isinstance(turn, str) else turn for turn in turns]
    return [fact.text for fact in reflect_offline(messages, **rest).facts]


@pytest.mark.parametrize(
    ("kind", "said"), [(kind, said) for kind, statements in STATEMENTS["facts"].items() for said in statements]
)
def test_a_first_person_statement_is_a_fact_of_its_kind(kind: str, said: str) -> None:
    (fact,) = reflect_offline([person(said)]).facts
    assert fact.kind == Kind(kind)
    assert fact.text in said
    assert fact.origin == "stated"


@pytest.mark.parametrize("said", [said for statements in STATEMENTS["elsewhere"].values() for said in statements])
def test_other_languages_have_facts_too(said: str) -> None:
    assert texts(said) == [said]


@pytest.mark.parametrize("said", [said for statements in STATEMENTS["nothing"].values() for said in statements])
def test_what_is_not_the_person_speaking_of_themselves_is_no_fact(said: str) -> None:
    assert texts(said) == []


@pytest.mark.parametrize("said", [said for statements in STATEMENTS["not_own"].values() for said in statements])
def test_words_that_are_not_the_persons_own_are_no_fact(said: str) -> None:
    assert texts(said) == []


def test_a_fact_is_the_persons_own_sentence_with_an_exact_quote() -> None:
    said = "Hi! So,  I work nights\nat a hospital. Can you help me plan my week?"
    (fact,) = reflect_offline([person(said)]).facts
    assert fact.text == "I work nights at a hospital."
    assert [(one.message_id, one.quote) for one in fact.evidence] == [("m1", "I work nights\nat a hospital.")]
    assert fact.observed_at == NOON
    assert 0 < fact.confidence < 1


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("I am a nurse, can you write me a plan", "I am a nurse"),
        ("I have two kids and I need help with dinner", "I have two kids"),
        ("Well, actually, I live in Ghent.", "I live in Ghent."),
        ("my cat died yesterday please be kind", "my cat died yesterday"),
        ("Mi nombre es Inés y necesito una carta", "Mi nombre es Inés"),
    ],
)
def test_what_leads_to_a_statement_and_the_request_after_it_are_left_out(said: str, kept: str) -> None:
    assert texts(said) == [kept]


def test_several_statements_of_one_message_are_several_facts() -> None:
    said = "I moved to Lisbon last spring. My sister and I don't talk! I'm allergic to nuts; I love the sea… "
    assert len(texts(said + "我是护士。我住在杭州。")) == 6


def test_somebody_close_stays_the_third_person() -> None:
    (fact,) = reflect_offline([person("My mother lives in Porto.")]).facts
    assert (fact.text, fact.kind) == ("My mother lives in Porto.", Kind.RELATIONSHIP)


def test_only_the_persons_turns_count_and_never_crisis_turns() -> None:
    assert texts(reply("I am a doctor.")) == []
    assert texts(person("I lost my job and I want to die.", "m1", "high"), reply("I live here.", "r1", "m1")) == []
    assert texts(person("I lost my job.", "m1", "concern")) == ["I lost my job."]


def test_role_play_goes_on_until_the_end_of_the_conversation() -> None:
    play = person("Let's play a game: you are a dragon.", "m0")
    reflection = reflect_offline([play, person("I have a sword and I hate my king.", "m1")])
    assert (reflection.facts, reflection.dropped) == ((), {"role play": 2})
    assert texts("I have a horse.", earlier=[play]) == []
    assert texts("I have a horse.", earlier=[reply("You are a dragon.")]) == ["I have a horse."]


def test_a_long_confession_is_read_and_a_long_document_is_not() -> None:
    confession = "I lost my job in May. My wife is worried about me and I can't sleep at night. " * 20
    assert len(texts(confession)) == MAX_FACTS_PER_MESSAGE
    assert reflect_offline([person(confession)]).dropped["too many"] > 0
    document = "The committee met in Geneva and discussed the annual figures at great length. " * 30
    assert texts(document + "I live in Geneva.") == []


def test_a_sentence_that_is_too_long_is_read_by_its_clauses() -> None:
    said = "i work at a bakery, " + "and the oven broke and the bread burned, " * 8 + "and my boss never says thanks"
    assert texts(said) == ["i work at a bakery", "my boss never says thanks"]


@pytest.mark.parametrize(
    ("said", "feeling"),
    [
        ("I'm so tired of all this.", "exhausted"),
        ("I feel really lonely and nobody calls.", "lonely"),
        ("I was at work. I'm kind of anxious about tomorrow.", "anxious"),
        ("Estoy muy triste hoy.", "sad"),
        ("Ich bin so müde.", "exhausted"),
        ("我很难过。", "sad"),
        ("Am I sad?", None),
        ("I'm happy to help.", None),
        ("I'm happy with the result.", None),
        ("I'm not sad.", None),
        ("She is sad.", None),
        ("The movie was sad.", None),
    ],
)
def test_the_momentary_feeling_is_named(said: str, feeling: str | None) -> None:
    assert reflect_offline([person(said)]).feeling == feeling


def test_the_newest_feeling_counts() -> None:
    assert reflect_offline([person("I'm sad."), reply("Oh."), person("Now I'm angry.", "m2")]).feeling == "angry"


def test_trait_evidence_is_left_to_others() -> None:
    assert reflect_offline([person("I hate loud parties.")]).traits == ()


@pytest.mark.parametrize(
    "said", ["", " \n\t ", "?", "\ud800", "\x00", "İ", "🦸‍♀️", "。", '"', "“" * 50, "I", "i am", "My"]
)
def test_odd_messages_yield_nothing(said: str) -> None:
    assert texts(said) == []


def test_lower_case_may_be_longer_than_the_text() -> None:
    assert texts("İİİ! I live in İzmir.") == ["I live in İzmir."]


BITS = ["I am ", "my ", "“", "'", ". ", "\n", "you ", "İ", "我", "*", "a nurse", "?", "I work in "]


@given(st.text(max_size=400) | st.lists(st.sampled_from(BITS), max_size=40).map("".join))
def test_whatever_is_said_facts_are_short_and_their_quotes_stand_in_it(said: str) -> None:
    for fact in reflect_offline([person(said)]).facts:
        assert 0 < len(fact.text) <= 240
        assert fact.evidence[0].quote in said
        assert fact.text == " ".join(fact.evidence[0].quote.split())


@pytest.mark.parametrize(
    "unit",
    ["\n", " ", ".", "“", "i am ", "i have a ", "and i ", "<", "[(", "a", "我", "I live in Rome. ", "you are a "],
)
def test_a_huge_message_costs_little_time(unit: str) -> None:
    said = (unit * (200_000 // len(unit) + 1))[:200_000]
    began = time.process_time()
    reflection = reflect_offline([person(said)])
    assert time.process_time() - began < 3
    assert reflection.dropped["beyond the limit"] == 1
    assert all(fact.evidence[0].quote in said[:MAX_READ_CHARS] for fact in reflection.facts)


def test_two_thousand_typical_turns_take_about_a_second() -> None:
    said = [
        "Can you explain this to me? I need a plan for my trip.",
        "I work nights at a hospital. My dog is called Biscuit.",
    ]
    turns = [person(said[n % 2] + f" It is number {n}.", f"m{n}") for n in range(2_000)]
    reflect_offline(turns[:10])
    began = time.process_time()
    assert len(reflect_offline(turns).facts) == 2_000
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    "said",
    [
        *("I'm bored.", "I'm scared.", "I'm really anxious right now.", "Je suis triste.", "Je suis très fatiguée."),
        *(
            "Estoy muy cansada.",
            "Me siento sola.",
            "Ich bin so müde.",
            "Ich bin wütend.",
            "Estou triste.",
            "Sono triste.",
        ),
        *("我很难过。", "我太累了。", "私は悲しいです。", "I'm bored out of my mind."),
    ],
)
def test_a_bare_feeling_of_the_moment_is_no_fact(said: str) -> None:
    assert texts(said) == []


@pytest.mark.parametrize(
    "said",
    [
        "I've felt lonely for months.",
        "Estoy cansada desde el parto.",
        "Ich bin seit Wochen so müde.",
        "我最近一直很累。",
    ],
)
def test_a_feeling_that_lasts_is_a_fact(said: str) -> None:
    assert texts(said) == [said]


@pytest.mark.parametrize(
    ("part", "language", "least_recall", "least_precision"),
    [
        ("tuned", "en", 0.95, 0.97),
        ("held_out", "en", 0.9, 0.95),
        *((part, language, 0.85, 0.85) for part in ("tuned", "held_out") for language in ("es", "de", "fr", "pt")),
        *((part, language, 0.8, 0.8) for part in ("tuned", "held_out") for language in ("it", "zh", "ja")),
    ],
)
def test_ordinary_conversation_yields_its_facts_and_little_else(
    part: str, language: str, least_recall: float, least_precision: float
) -> None:
    facts, nothing = (STATEMENTS[part][name][language] for name in ("facts", "nothing"))
    right, wrong = (sum(bool(texts(said)) for said in statements) for statements in (facts, nothing))
    assert right / len(facts) >= least_recall
    assert right / (right + wrong) >= least_precision


def test_plain_statements_of_a_conversation_are_less_sure_than_the_known_ones() -> None:
    plain, known = reflect_offline([person("I keep bees behind the garage. I'm allergic to their stings.")]).facts
    assert plain.confidence < known.confidence


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("I share a flat with two students who never clean the kitchen.", Kind.RELATIONSHIP),
        ("The people upstairs play loud music until two in the morning.", Kind.RELATIONSHIP),
        ("I've had back pain since the car accident.", Kind.STATE),
        ("We are planning a trip to Thailand in November.", Kind.GOAL),
        ("We took out a mortgage on a house last year.", Kind.BACKGROUND),
        ("I wrote a postcard to every president when I was nine.", Kind.EXPERIENCE),
        ("I believe animals should not be kept in zoos.", Kind.OPINION),
        ("I go bouldering twice a week.", Kind.PREFERENCE),
        ("Please keep your answers short.", Kind.PREFERENCE),
    ],
)
def test_a_plain_statement_has_the_kind_its_words_suggest(said: str, kind: Kind) -> None:
    (fact,) = reflect_offline([person(said)]).facts
    assert (fact.text, fact.kind) == (said, kind)


@pytest.mark.parametrize(
    "work",
    [
        "Please rewrite my paragraph.",
        "Continue the story about the lighthouse.",
        "Translate this into German.",
        "Write a poem about rain.",
    ],
)
def test_after_work_on_a_text_plain_statements_say_nothing_for_a_while(work: str) -> None:
    said = "I keep bees behind the garage."
    later = [person(said, f"m{number}") for number in range(8)]
    assert len(texts(person(work, "m"), *later)) == 3
    assert texts(said, earlier=[person(work, "m")]) == []
    assert texts(said, earlier=[person(work, "m"), *later]) == [said]


def test_a_plain_statement_in_a_task_is_no_fact() -> None:
    assert texts("Write a story. I keep bees behind the garage.") == []
    assert texts('She wrote: "so it goes". I keep bees behind the garage.') == []
    assert texts("I keep bees behind the garage. " * 30) == []


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("I'm Maria.", ["I'm Maria."]),
        ("Hi, I’m Maria!", ["I’m Maria!"]),
        ("Hey there, I'm Tom. I like cats.", ["I'm Tom.", "I like cats."]),
        ("Hello! I am Jean-Luc Picard.", ["I am Jean-Luc Picard."]),
        ("I'm sad.", []),
        ("I'm Sad.", []),
        ("I'm OK.", []),
        ("I'M MAD", []),
        ("I'm Sorry!", []),
        ("Pretend that you are my butler. I'm Maria.", []),
        ("Write a letter to Tom. I'm Maria.", []),
    ],
)
def test_who_gives_nothing_but_a_name_is_known_by_it(said: str, kept: list[str]) -> None:
    assert texts(said) == kept
