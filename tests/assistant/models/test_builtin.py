import re
import tomllib
from collections.abc import Sequence
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.errors import ModelRefusedError
from assistant.models.builtin import DESCRIPTION, Builtin
from assistant.models.builtin_reply import reply
from assistant.models.door import Finished, Prompt, Sampling, Situation, TextDelta
from assistant.models.mirror import judges_self, mirror, quotable
from assistant.safety.screen import screen, screen_reply
from assistant.support import plan
from memory.types import Persona, Trait, TraitEstimate

FACTS = ("My dog Biscuit has a bad hip.", "I moved to Leeds in March.")
TEMPLATES = files("assistant.models").joinpath("builtin.toml").read_text("utf-8")


def persona(**means: float) -> Persona:
    return Persona({Trait(name): TraitEstimate(Trait(name), mean, 6.0) for name, mean in means.items()}, "v1")


def situation(
    message: str, facts: Sequence[str] = (), previous: Sequence[str] = (), someone: Persona | None = None
) -> Situation:
    return Situation(message, plan(message, someone, screen(message)), tuple(facts), tuple(previous))


async def answer(
    message: str,
    facts: Sequence[str] = (),
    previous: Sequence[str] = (),
    someone: Persona | None = None,
    seed: int | None = None,
) -> str:
    pieces = []
    async for event in Builtin().stream(
        Prompt((), situation(message, facts, previous, someone)), Sampling(seed=seed, max_tokens=4096)
    ):
        if isinstance(event, TextDelta):
            pieces.append(event.text)
    return "".join(pieces)


async def test_it_says_that_it_is_no_language_model() -> None:
    identity = Builtin().identity
    assert identity.engine == identity.model == "builtin"
    assert identity.description == DESCRIPTION
    assert "No language model is configured" in DESCRIPTION
    assert not identity.leaves_machine
    await Builtin().check()
    await Builtin().aclose()


async def test_the_stream_comes_in_pieces_and_ends_once() -> None:
    events = [event async for event in Builtin().stream(Prompt((), situation("I feel sad today")), Sampling())]
    assert len(events) > 5
    assert events[-1] == Finished("stop")
    assert all(isinstance(event, TextDelta) for event in events[:-1])


async def test_a_reply_ends_at_the_token_limit() -> None:
    events = [event async for event in Builtin().stream(Prompt((), situation("I feel sad")), Sampling(max_tokens=2))]
    assert events[-1] == Finished("length")
    assert len(events) == 3


async def test_without_a_situation_it_refuses() -> None:
    with pytest.raises(ModelRefusedError):
        [event async for event in Builtin().stream(Prompt(({"role": "user", "content": "hi"},)), Sampling())]


async def test_it_completes_nothing() -> None:
    with pytest.raises(ModelRefusedError):
        await Builtin().complete([{"role": "user", "content": "hi"}], Sampling())


async def test_the_same_situation_gives_the_same_reply() -> None:
    first = await answer("My boss yelled at me today", FACTS, seed=3)
    assert first == await answer("My boss yelled at me today", FACTS, seed=3)
    others = {await answer("My boss yelled at me today", FACTS, seed=seed) for seed in range(8)}
    assert len(others) > 3


async def test_replies_to_the_same_message_vary_within_a_conversation() -> None:
    replies: list[str] = []
    for _ in range(8):
        replies.append(await answer("My boss yelled at me again today.", FACTS, replies))
    assert len(set(replies)) == 8
    openings = [reply.split(". ")[1] for reply in replies[:4]]
    assert len(set(openings)) == 4


async def test_it_hands_the_persons_words_back() -> None:
    assert "your boss yelled at you in front of everyone today" in await answer(
        "My boss yelled at me in front of everyone today."
    )


async def test_a_fact_is_quoted_word_for_word() -> None:
    assert "“My dog Biscuit has a bad hip.”" in await answer("Biscuit is limping again and I'm worried", FACTS)


async def test_a_note_in_the_third_person_is_no_quotation() -> None:
    reply = await answer("I can't sleep again", ["Works night shifts"])
    assert "Works night shifts" in reply
    assert "“Works" not in reply


async def test_a_fact_that_only_repeats_the_message_is_not_brought_up() -> None:
    assert "told me" not in await answer("My dog Biscuit has a bad hip.", FACTS[:1])


@pytest.mark.parametrize(
    "message",
    [
        "I feel sad today",
        "My boss yelled at me",
        "How do I ask for a raise?",
        "We had pasta and watched a movie",
        "hi",
        "thanks",
        "ok",
        "What do you remember about me?",
        "I got the job!",
        "I'm such a failure",
        "Ich bin heute so müde",
        "今日は疲れた",
    ],
)
async def test_without_facts_none_is_mentioned(message: str) -> None:
    for seed in range(6):
        reply = await answer(message, seed=seed)
        assert not re.search(r"[Yy]ou (?:once )?told me:|[Ee]arlier you|noted|I have this from you", reply)


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("hi", "?"),
        ("Hello there!", "?"),
        ("thanks a lot!", "welcome|Gladly"),
        ("bye for now", "[Gg]oodbye|[Tt]ake care|Bye"),
        ("are you human?", "AI|program"),
        ("Am I talking to a real person?", "AI|program"),
        ("who are you", "Attune"),
        ("are you a therapist?", "not a therapist|no therapy"),
        ("what can you do?", "language model"),
        ("do you love me?", "no feelings|without feelings"),
        ("What is the capital of France?", "language model"),
        ("Write me a poem about the sea", "language model"),
        ("translate this into Spanish: good day", "language model"),
        ("What do you know about me?", "memories page"),
        ("What's my dog's name?", "memories page"),
        ("hm", "."),
        ("👍", "."),
        ("", "."),
        pytest.param("bla " * 8000, ".", id="long"),
    ],
)
async def test_each_kind_of_message_gets_a_fitting_answer(message: str, wanted: str) -> None:
    for seed in range(4):
        reply = await answer(message, seed=seed)
        assert re.search(wanted if len(wanted) > 1 else re.escape(wanted), reply)
        assert len(reply) < 1200


async def test_asked_what_it_remembers_it_lists_what_it_was_given() -> None:
    reply = await answer("What do you remember about me?", FACTS)
    assert all(f"“{fact}”" in reply for fact in FACTS)


@pytest.mark.parametrize(
    ("message", "words", "quote"),
    [
        ("Estoy muy triste por mi perro hoy", "modelo de lenguaje", "Me contaste"),
        ("Ich bin heute sehr traurig wegen meinem Hund", "Sprachmodell", "Du hast mir erzählt"),
        ("Je suis très triste pour mon chien", "modèle de langage", "Tu m'as dit"),
        ("Estou muito triste com meu cachorro", "modelo de linguagem", "Você me contou"),
        ("我今天因为我的狗很难过", "语言模型", "你告诉过我"),
        ("今日は犬のことでとても悲しい", "言語モデル", "話してくれました"),
    ],
)
async def test_another_language_is_answered_in_it_and_honestly(message: str, words: str, quote: str) -> None:
    reply = await answer(message, FACTS[:1])
    assert words in reply
    assert quote in reply
    assert FACTS[0] in reply


async def test_a_crisis_gets_the_fixed_reply_and_no_fact() -> None:
    first = await answer("I want to kill myself", FACTS)
    assert "are you safe right now" in first
    assert "Biscuit" not in first
    assert await answer("I want to kill myself", FACTS, [first]) != first
    assert "vida" in await answer("quiero morir")


async def test_the_manner_follows_the_persona() -> None:
    message = "My boss yelled at me in front of everyone and I feel awful"
    replies = {
        await answer(message, (), (), someone)
        for someone in (
            persona(neuroticism=68),
            persona(agreeableness=32),
            persona(extraversion=68),
            persona(extraversion=31),
        )
    }
    assert len(replies) == 4


async def test_an_introvert_is_not_asked() -> None:
    assert "?" not in await answer("I feel sad after the party", (), (), persona(extraversion=30))


async def test_hard_words_about_oneself_are_not_repeated_as_facts() -> None:
    for seed in range(6):
        reply = await answer("I am such a failure and I am worthless", seed=seed)
        assert "failure" not in reply
        assert "worthless" not in reply


def test_no_line_is_unsafe_or_claims_a_feeling() -> None:
    lines = [text for text in _strings(tomllib.loads(TEMPLATES)) if " " in text and "\\" not in text]
    assert len(lines) > 150
    assert [line for line in lines if screen_reply(line)] == []
    assert [
        line for line in lines if re.search(r"\bI(?: am|'m| feel) (?:so )?(?:sorry|sad|glad|happy|worried)", line)
    ] == []


@pytest.mark.parametrize(
    ("message", "clause"),
    [
        ("My boss yelled at me today.", "your boss yelled at you today"),
        ("I was up all night with the baby", "you were up all night with the baby"),
        ("Honestly, I don't know how to tell my wife.", "you don't know how to tell your wife"),
        ("he said I wasn't ready and it hurt me", "he said you weren't ready and it hurt you"),
        ("I’ve been thinking about moving home", "you've been thinking about moving home"),
        ("You don't get it", None),
        ("Sarah and I had a fight", None),
        ("We broke up", None),
        ("What should I do about it?", None),
        ("I am a failure in everything", None),
        ("Biscuit bit me again today", None),
        ("lol", None),
        ("", None),
    ],
)
def test_pronouns_are_turned_round_or_left_alone(message: str, clause: str | None) -> None:
    assert mirror(message) == clause


@settings(deadline=None)
@given(st.text(max_size=300))
def test_a_mirrored_clause_never_speaks_as_i(message: str) -> None:
    clause = mirror(message)
    assert clause is None or not re.search(r"\b(?:I|me|my)\b", clause)


@given(st.text(max_size=300))
def test_a_quotation_is_a_piece_of_the_message(message: str) -> None:
    quote = quotable(message)
    assert quote is None or quote in message


def test_self_judgement_is_noticed() -> None:
    assert judges_self("I'm a terrible mother")
    assert not judges_self("My sister says the film is stupid")
    assert not judges_self("I had soup")


_WORDS = st.text(alphabet=st.characters(whitelist_categories=("Ll", "Lu")), min_size=2, max_size=10)


@settings(max_examples=120, deadline=None)
@given(st.text(max_size=200), st.lists(st.lists(_WORDS, min_size=2, max_size=6), max_size=3), st.integers(0, 99))
async def test_it_never_states_a_fact_that_was_not_given(message: str, facts: list[list[str]], seed: int) -> None:
    given_facts = [" ".join(words) for words in facts]
    reply = await answer(message, given_facts, seed=seed)
    assert reply.strip()
    known = f"{TEMPLATES} {message} {' '.join(given_facts)}".casefold()
    if not screen(message).crisis:
        allowed = {*re.findall(r"\w+", known), "an", "you", "your", "yours", "yourself", "re", "ve", "were", "are"}
        assert set(re.findall(r"\w+", reply.casefold())) <= allowed


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for one in value.values() for text in _strings(one)]
    return [text for one in value for text in _strings(one)] if isinstance(value, list) else []


async def test_in_grief_every_voice_is_calm() -> None:
    for means in ({}, {"extraversion": 70}, {"conscientiousness": 70}, {"neuroticism": 70}, {"extraversion": 30}):
        for seed in range(6):
            said = await answer(
                "My grandmother died last week and I can't stop crying.", (), (), persona(**means), seed
            )
            assert "!" not in said
            assert "\n1. " not in said


async def test_an_orderly_person_who_asks_gets_numbered_steps_before_the_question() -> None:
    said = await answer("I'm so overwhelmed at work, what should I do?", someone=persona(conscientiousness=70))
    assert "\n1. " in said
    assert said.splitlines()[-1].endswith("?")


async def test_an_open_question_about_the_person_is_asked_with_an_easy_way_out() -> None:
    unsure = Persona({trait: TraitEstimate(trait, 50.0, 10.0) for trait in Trait}, "v1")
    message = "We went hiking and had pasta afterwards"
    made = plan(message, unsure, screen(message), may_elicit=True)
    for seed in range(4):
        said = reply(Situation(message, made), seed)
        assert said.count("?") == 1
        assert re.search(r"if you (?:feel like|like)|May I ask|so that I find", said)
