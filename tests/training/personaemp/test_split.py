import hashlib
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kmodes.kmodes import KModes
from sklearn.metrics import silhouette_score

from training.errors import DatasetError
from training.example import TRAITS, Split
from training.personaemp.leakage import check_leakage
from training.personaemp.near import ALIKE, NearTexts, fold, similarity
from training.personaemp.split import Profile, SplitRule, people_needed, plan_splits, profile_of

profiles = st.tuples(*[st.integers(0, 2)] * 5)
crowds = st.lists(profiles, min_size=22, max_size=60).map(lambda found: {f"p{n}": one for n, one in enumerate(found)})


def crowd(*kinds: tuple[Profile, int], noise: int = 0) -> dict[str, Profile]:
    chance = random.Random(1)
    people: dict[str, Profile] = {}
    for kind, count in kinds:
        for _ in range(count):
            profile = list(kind)
            for _ in range(noise):
                profile[chance.randrange(5)] = chance.randrange(3)
            people[f"p{len(people)}"] = tuple(profile)
    return people


@settings(deadline=None, max_examples=10)
@given(crowds, st.integers(0, 3))
def test_everybody_is_in_one_split_and_a_kind_of_person_is_held_out_whole(
    people: dict[str, Profile], seed: int
) -> None:
    try:
        plan = plan_splits(people, SplitRule(seed=seed))
    except DatasetError as error:
        assert "no kind of person can be held out" in str(error)
        return
    assert set(plan.splits) == set(people)
    counts = Counter(plan.splits.values())
    assert counts["test"] >= 2 and counts["ood"] >= 2 and counts["train"] > counts["test"]
    held_out = {people[person] for person, split in plan.splits.items() if split == "ood"}
    assert held_out.isdisjoint(people[person] for person, split in plan.splits.items() if split != "ood")
    backwards = plan_splits(dict(reversed(people.items())), SplitRule(seed=seed))
    assert backwards == plan


def test_the_rule_finds_the_kinds_that_are_there() -> None:
    people = crowd(((0, 0, 0, 0, 0), 60), ((2, 2, 2, 2, 2), 30), ((0, 2, 0, 2, 1), 10))
    plan = plan_splits(people, SplitRule())
    assert plan.clustering is not None and plan.clustering.k == 3
    assert plan.clustering.silhouettes[3] == max(plan.clustering.silhouettes.values()) == pytest.approx(1.0)
    assert plan.clustering.people == 10
    assert plan.clustering.held_out["openness"] == "low" and plan.clustering.held_out["conscientiousness"] == "high"
    assert Counter(plan.splits.values()) == {"ood": 10, "test": 9, "train": 81}


def test_another_seed_draws_other_people_and_holds_out_the_same_kind() -> None:
    people = crowd(((0, 0, 0, 0, 0), 60), ((2, 2, 2, 2, 2), 30), ((0, 2, 0, 2, 1), 10))
    one, two = (plan_splits(people, SplitRule(seed=seed)).splits for seed in (1, 2))
    assert {p for p, split in one.items() if split == "ood"} == {p for p, split in two.items() if split == "ood"}
    assert {p for p, split in one.items() if split == "test"} != {p for p, split in two.items() if split == "test"}


def test_too_few_people_are_refused_with_the_figure() -> None:
    assert people_needed(SplitRule()) == 22
    assert people_needed(SplitRule(ood=False)) == 20
    assert people_needed(SplitRule(ood=False, test_share=0.25, min_test_people=5)) == 20
    with pytest.raises(DatasetError, match=r"holds 21 people and needs 22.*Repair: export more people"):
        plan_splits(crowd(((0, 0, 0, 0, 0), 21)), SplitRule())


def test_people_of_one_kind_have_nobody_to_hold_out() -> None:
    people = crowd(((1, 1, 1, 1, 1), 40))
    with pytest.raises(DatasetError, match="have 1 different profiles"):
        plan_splits(people, SplitRule())
    assert Counter(plan_splits(people, SplitRule(ood=False)).splits.values()) == {"train": 36, "test": 4}


def test_thousands_of_people_are_divided_too() -> None:
    people = crowd(((0, 0, 2, 2, 1), 3000), ((2, 1, 0, 0, 2), 2000), noise=2)
    counts = Counter(plan_splits(people, SplitRule()).splits.values())
    assert counts.total() == 5000 and 0.09 < counts["test"] / (counts["test"] + counts["train"]) < 0.11


def test_the_silhouette_is_that_of_the_field() -> None:
    people = crowd(((0, 0, 2, 2, 1), 90), ((2, 1, 0, 0, 2), 60), ((1, 1, 1, 1, 1), 1), noise=2)
    found = plan_splits(people, SplitRule()).clustering
    assert found is not None
    for k, silhouette in found.silhouettes.items():
        # The order in which people come to KModes is that of the split.
        order = sorted(people, key=lambda person: hashlib.sha256(f"0\0{person}".encode()).digest())
        profiles = np.array([people[person] for person in order])
        labels = KModes(n_clusters=k, init="Cao", n_init=1, random_state=0).fit(profiles).predict(profiles)
        assert silhouette == pytest.approx(silhouette_score(profiles, labels, metric="hamming"))


def test_a_profile_follows_the_order_of_the_traits() -> None:
    levels = dict(zip(TRAITS, ("low", "medium", "high", "low", "high"), strict=True))
    assert profile_of(levels) == (0, 1, 2, 0, 2)  # type: ignore[arg-type]
    with pytest.raises(KeyError):
        profile_of({"openness": "low"})


# ---------------------------------------------------------------- leaks


def splits(**rows: list[tuple[str, str]]) -> dict[Split, list[tuple[str, str]]]:
    return rows  # type: ignore[return-value]


def test_a_person_in_two_splits_is_a_leak() -> None:
    with pytest.raises(DatasetError, match="1 rows of a person of train stand in ood"):
        check_leakage(splits(train=[("p1", "What do I do?"), ("p2", "x")], ood=[("p1", "Something else entirely")]))


def test_a_query_that_is_nearly_the_same_is_a_leak_and_is_not_quoted() -> None:
    train = [("p1", "How do I tell my boss that I am leaving the company?")]
    test = [("p2", "how do I tell my boss that I am leaving this company")]
    with pytest.raises(DatasetError, match="1 queries of test nearly repeat one of train") as refused:
        check_leakage(splits(train=train, test=test))
    assert "boss" not in str(refused.value)


def test_what_repeats_within_a_split_leaks_nowhere() -> None:
    check_leakage(
        splits(train=[("p1", "What now?"), ("p1", "What now?"), ("p2", "What now?")], test=[("p3", "And then?")])
    )


@given(st.text(min_size=1, max_size=80))
def test_a_text_is_found_again_whatever_its_case_and_punctuation(text: str) -> None:
    with NearTexts.open() as texts:
        texts.add("k", text)
        assert ("k", 1.0) in list(texts.like(text + "!"))
        assert fold(text) == fold(f" {text} ?")


@given(st.text("abcde ", min_size=1, max_size=60), st.text("abcde ", min_size=1, max_size=60))
def test_what_is_found_is_as_alike_as_it_says(one: str, other: str) -> None:
    with NearTexts.open() as texts:
        texts.add("k", one)
        for key, alike in texts.like(other):
            assert key == "k" and alike == pytest.approx(similarity(one, other)) and alike >= ALIKE
