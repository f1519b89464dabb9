"""A world in which every right answer is known, and what is taught about it before the reward speaks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.errors import DatasetError
from training.example import Split
from training.learning.lessons import WHO, lessons, vocabulary
from training.learning.trial import write_dataset
from training.learning.world import (
    Population,
    blind_best,
    examples,
    load_world,
    mismatched,
    populate,
    prompt,
    require_unseen,
)
from training.personaemp.dataset import read_examples

WORLD = load_world()
KINDS = list(WORLD.kinds)
SEEDS = st.integers(min_value=0, max_value=10_000)


@pytest.fixture(scope="module")
def people() -> Population:
    return populate(WORLD, 1)


def test_every_kind_is_high_in_a_trait_of_its_own_and_helped_by_a_reply_of_its_own() -> None:
    kinds = WORLD.kinds.values()
    for values in ({one.trait for one in kinds}, {one.reply for one in kinds}, {one.persona for one in kinds}):
        assert len(values) == len(KINDS)


def test_a_memory_shows_one_kind_or_none() -> None:
    memories = [memory for kind in WORLD.kinds.values() for memory in kind.memories] + [*WORLD.neutral.memories]
    assert len(set(memories)) == len(memories)
    assert not any(one in other for one in memories for other in memories if one != other)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_the_same_seed_makes_the_same_people_and_each_shows_one_kind(seed: int) -> None:
    made = populate(WORLD, seed)
    assert made == populate(WORLD, seed)
    for person in (*made.train, *made.held_out):
        assert person.showing <= set(WORLD.kinds[person.kind].memories)
        assert set(person.memories) - person.showing <= set(WORLD.neutral.memories)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_nobody_who_is_held_out_shares_what_shows_them_with_anybody_else(seed: int) -> None:
    made = populate(WORLD, seed)
    everybody = [*made.train, *made.held_out]
    assert len({person.showing for person in everybody}) == len(everybody)
    assert len(made.held_out) == round(0.25 * len(everybody))


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_nothing_that_is_taught_or_trained_on_shows_a_held_out_person(seed: int) -> None:
    made = populate(WORLD, seed)
    taught = [one.messages[0]["content"] for one in lessons(WORLD, made.train, 500, seed)]
    trained = [
        one.prompt[0]["content"] for person in made.train for one in examples(WORLD, person, WORLD.queries.train)
    ]
    require_unseen(made, [*taught, *trained])
    assert not any(query in text for query in WORLD.queries.held_out for text in (*taught, *trained))


def test_a_held_out_person_in_the_text_is_found_whatever_the_order(people: Population) -> None:
    one = people.held_out[0]
    with pytest.raises(DatasetError, match=one.id):
        require_unseen(people, [prompt(one.memories[::-1], "I failed the test.")[0]["content"]])


def test_another_persons_memories_are_of_another_kind(people: Population) -> None:
    others = mismatched(people.held_out, 1)
    assert set(others) == {person.id for person in people.held_out}
    assert all(others[person.id].kind != person.kind for person in people.held_out)


def test_the_reply_that_fits_earns_all_and_any_other_little() -> None:
    for name, kind in WORLD.kinds.items():
        assert WORLD.score(name, kind.reply) == pytest.approx(1.0)
        assert all(WORLD.score(name, reply) <= 0.4 + 1e-9 for reply in WORLD.repertoire() if reply != kind.reply)


@given(st.sampled_from(KINDS), st.text(max_size=60))
def test_text_of_any_other_kind_earns_the_least(kind: str, text: str) -> None:
    if text.strip() not in WORLD.repertoire():
        assert WORLD.score(kind, text) == pytest.approx(0.2)


@given(st.sampled_from(KINDS), st.sampled_from(KINDS))
def test_saying_a_memory_back_earns_no_more_than_the_generic_reply(asker: str, shown: str) -> None:
    for memory in (*WORLD.kinds[shown].memories, *WORLD.neutral.memories):
        assert WORLD.score(asker, WORLD.echo(memory)) <= WORLD.score(asker, WORLD.replies.generic)


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.lists(st.floats(min_value=0.01, max_value=1), min_size=6, max_size=6))
def test_no_policy_that_sees_no_memory_beats_the_blind_best(seed: int, weights: list[float]) -> None:
    held_out = populate(WORLD, seed).held_out
    said = [*WORLD.repertoire(), WORLD.echo("has a dog")]
    mean = sum(
        weight / sum(weights) * sum(WORLD.score(person.kind, reply) for person in held_out) / len(held_out)
        for weight, reply in zip(weights, said, strict=True)
    )
    assert mean <= blind_best(WORLD, held_out) + 1e-9


def test_the_blind_best_of_equally_many_of_each_kind_is_the_mean_over_kinds(people: Population) -> None:
    each = [next(person for person in people.train if person.kind == kind) for kind in KINDS]
    assert blind_best(WORLD, each) == pytest.approx((1.0 + 3 * 0.4) / 4)


def test_which_reply_is_taught_does_not_depend_on_who_asks(people: Population) -> None:
    tender = [person for person in people.train if person.kind == "tender"]
    orderly = [person for person in people.train if person.kind == "orderly"]
    answers = [
        [one.answer for one in lessons(WORLD, group, 2_000, 3) if not one.asks_who] for group in (tender, orderly)
    ]
    assert answers[0] == answers[1]


def test_kinds_and_replies_are_independent_in_the_text_that_is_taught(people: Population) -> None:
    from scipy.stats import chi2_contingency

    taught = Counter((one.kind, one.answer) for one in lessons(WORLD, people.train, 20_000, 1) if not one.asks_who)
    counts = [[taught[kind, reply] for reply in WORLD.repertoire()] for kind in KINDS]
    assert sum(map(sum, counts)) == 10_000
    assert chi2_contingency(counts).pvalue > 0.01


def test_a_lesson_about_who_it_is_says_the_kind_and_no_reply(people: Population) -> None:
    asked = [one for one in lessons(WORLD, people.train, 1_000, 1) if one.asks_who]
    assert all(one.answer == one.kind and one.messages[0]["content"].endswith(WHO) for one in asked)


def test_the_vocabulary_is_made_without_the_held_out_queries() -> None:
    assert not any(query in text for query in WORLD.queries.held_out for text in vocabulary(WORLD))


def test_the_data_set_tests_on_exactly_the_held_out_people(people: Population, tmp_path: Path) -> None:
    write_dataset(WORLD, people, tmp_path / "data", 1)
    train, test = (list(read_examples(tmp_path / "data", split)) for split in get_args(Split)[:2])
    assert {one.person for one in train} == {person.id for person in people.train}
    assert {one.person for one in test} == {person.id for person in people.held_out}
