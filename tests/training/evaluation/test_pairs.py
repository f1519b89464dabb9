import numpy as np

from training.evaluation.pairs import estimate, paired


def test_intervals_of_paired_differences_cover_the_truth_at_the_stated_rate() -> None:
    chance, runs, truth = np.random.default_rng(7), 400, 0.2
    covered = 0
    for _ in range(runs):
        person_of, base, better = {}, {}, {}
        for person in range(60):
            taste = chance.normal(0, 0.4)  # shared by the questions of a person
            for question in range(int(chance.integers(1, 5))):
                name = f"{person}-{question}"
                person_of[name], base[name] = str(person), 3 + chance.normal(0, 0.5)
                better[name] = base[name] + truth + taste + chance.normal(0, 0.3)
        found = paired(better, base, person_of, draws=800)
        assert found is not None
        covered += found.low <= truth <= found.high
    assert 0.91 <= covered / runs <= 0.98


def test_an_interval_over_people_is_wider_than_one_that_takes_questions_for_people() -> None:
    chance = np.random.default_rng(1)
    values = [float(v) for v in np.repeat(chance.normal(3, 1, 30), 6)]
    by_person = estimate(values, [str(n // 6) for n in range(180)])
    by_question = estimate(values, [str(n) for n in range(180)])
    assert by_person is not None and by_question is not None
    assert by_person.high - by_person.low > 1.5 * (by_question.high - by_question.low)


def test_what_is_unscored_on_either_side_is_in_no_mean_and_counted() -> None:
    found = paired({"a": 4.0, "b": None, "c": 5.0}, {"a": 3.0, "b": 1.0}, {"a": "p", "b": "q", "c": "r"})
    assert found is not None
    assert (found.mean, found.scored, found.unscored) == (1.0, 1, 2)
    assert estimate([None], ["p"]) is None
