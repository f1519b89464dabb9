import math
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.persona.posterior import CORRECTION_NOISE, HALF_LIFE_DAYS, TEXT, Posterior, Text, encode
from memory.types import Trait, TraitEstimate, TraitEvidence
from tests.fakes.evidence import NOON, trait_evidence

N = Trait.NEUROTICISM
LATER = NOON + timedelta(days=100)


def of(*pieces: TraitEvidence, days: float = 0) -> TraitEstimate:
    return Posterior(pieces).estimate(N, NOON + timedelta(days=days))


def many(count: int, conversations: int = 1, **kinds: object) -> list[TraitEvidence]:
    return [
        trait_evidence(f"ev_{i}", conversation_id=f"con_{i % conversations}", **kinds)  # type: ignore[arg-type]
        for i in range(count)
    ]


def plain_batch(pieces: Sequence[TraitEvidence], trait: Trait, now: float) -> tuple[float, float]:
    """The formulas of the module's first lines, written down once more without any cleverness."""
    pieces = [piece for piece in pieces if piece.trait == trait]
    corrections = [piece for piece in pieces if piece.source == "correction"]
    seen: list[tuple[float, float]] = []
    if corrections:
        last = max(corrections, key=lambda piece: (piece.observed_at, piece.id))
        seen.append((last.direction * last.strength * 3, CORRECTION_NOISE))
        pieces = [piece for piece in pieces if piece.observed_at > last.observed_at]
    asked = [piece for piece in pieces if piece.source == "questionnaire"]
    if asked:
        last = max(asked, key=lambda piece: (piece.observed_at, piece.id))
        seen.append((last.direction * last.strength * 3, 0.3 / 0.7))
    for source, text in TEXT.items():
        total = weighted = 0.0
        own = [piece for piece in pieces if piece.source == source]
        for conversation in {piece.conversation_id for piece in own}:
            said = [piece for piece in own if piece.conversation_id == conversation]
            mean = sum(piece.direction * piece.strength for piece in said) / len(said) / text.gain
            when = sum(piece.observed_at.timestamp() for piece in said) / len(said)
            fade = 0.5 ** (max(0.0, now - when) / 86400 / HALF_LIFE_DAYS)
            weight = fade / (text.piece / len(said) + text.conversation)
            total += weight
            weighted += weight * mean
        if total:
            noise = 1 / total + text.person
            limit = 3 * math.sqrt(1 + noise)
            seen.append((min(limit, max(-limit, weighted / total)), noise))
    precision = 1 + sum(1 / noise for _, noise in seen)
    return 50 + 10 * sum(value / noise for value, noise in seen) / precision, 10 / math.sqrt(precision)


pieces_of_evidence = st.builds(
    trait_evidence,
    id=st.integers(0, 30).map("ev_{}".format),
    trait=st.sampled_from([Trait.NEUROTICISM, Trait.OPENNESS]),
    direction=st.sampled_from([-1, 1]),
    strength=st.floats(0, 1),
    message_id=st.integers(0, 5).map("msg_{}".format),
    conversation_id=st.integers(0, 3).map("con_{}".format),
    observed_at=st.integers(-2000, 300).map(lambda days: NOON + timedelta(days=days)),
    source=st.sampled_from(["offline", "offline", "offline", "model", "questionnaire", "correction"]),
)


@settings(deadline=None)
@given(st.lists(st.one_of(pieces_of_evidence, st.integers(0, 30), st.integers(0, 5).map("msg_{}".format)), max_size=60))
def test_any_interleaving_equals_one_pass_over_what_is_left(steps: list[TraitEvidence | int | str]) -> None:
    beliefs = Posterior()
    left: dict[str, TraitEvidence] = {}
    for step in steps:
        if isinstance(step, TraitEvidence):
            beliefs.add(step)
            left[step.id] = step
        elif isinstance(step, int):
            beliefs.withdraw(f"ev_{step}")
            left.pop(f"ev_{step}", None)
        else:
            beliefs.forget_message(step)
            left = {id: piece for id, piece in left.items() if piece.evidence.message_id != step}
    for trait in (Trait.NEUROTICISM, Trait.OPENNESS):
        found = beliefs.estimate(trait, LATER)
        assert found == Posterior(left.values()).estimate(trait, LATER)
        assert found == Posterior(reversed(left.values())).estimate(trait, LATER)
        assert (found.mean, found.sd) == pytest.approx(plain_batch(list(left.values()), trait, LATER.timestamp()))


def test_without_evidence_everybody_is_the_population() -> None:
    assert of() == TraitEstimate(N, 50, 10, 0)


def test_evidence_moves_the_mean_its_way_and_narrows_the_belief() -> None:
    high, low = of(*many(20)), of(*many(20, direction=-1))
    assert high.mean > 50 > low.mean
    assert high.mean - 50 == pytest.approx(50 - low.mean)
    assert high.sd == low.sd < 10
    assert high.evidence_count == 20


def test_many_pieces_of_one_conversation_count_less_than_pieces_of_many() -> None:
    together, apart = of(*many(30, 1)), of(*many(30, 30))
    assert apart.sd < together.sd
    assert apart.mean > together.mean


def test_no_amount_of_text_makes_certain() -> None:
    text = TEXT["offline"]
    endless = of(*many(20_000, 400, strength=0.02))
    assert endless.sd > 10 / math.sqrt(1 + 1 / text.person)


def test_old_evidence_fades_toward_the_prior() -> None:
    fresh, old, ancient = (of(*many(40), days=days) for days in (0, 2 * HALF_LIFE_DAYS, 100 * HALF_LIFE_DAYS))
    assert fresh.mean > old.mean > ancient.mean == pytest.approx(50, abs=1e-3)
    assert fresh.sd < old.sd < ancient.sd == pytest.approx(10, abs=1e-3)


@pytest.mark.parametrize("year", [1, 9999])
def test_a_date_beyond_all_reason_does_no_harm(year: int) -> None:
    piece = trait_evidence("odd", observed_at=NOON.replace(year=year))
    beliefs = Posterior([*many(10), piece])
    assert 50 <= beliefs.estimate(N, NOON).mean < 80
    beliefs.withdraw("odd")
    assert beliefs.estimate(N, NOON) == of(*many(10))


def test_forgetting_a_message_moves_the_belief_back() -> None:
    beliefs = Posterior([trait_evidence("a", message_id="kept"), trait_evidence("b", message_id="gone", strength=1.0)])
    before = beliefs.estimate(N, NOON)
    beliefs.forget_message("gone")
    after = beliefs.estimate(N, NOON)
    assert after == of(trait_evidence("a", message_id="kept"))
    assert after.mean < before.mean


def test_a_correction_outweighs_whatever_text_said_before_it() -> None:
    direction, strength = encode(38)
    told = trait_evidence("told", direction=direction, strength=strength, source="correction", observed_at=LATER)
    corrected = Posterior([*many(500, 50, strength=1.0), told]).estimate(N, LATER)
    assert corrected == Posterior([told]).estimate(N, LATER)
    assert corrected.mean == pytest.approx(38, abs=1.5)
    assert corrected.sd < 3


def test_taking_a_correction_back_brings_the_text_back() -> None:
    text = many(10)
    beliefs = Posterior([*text, trait_evidence("told", source="correction", observed_at=LATER)])
    beliefs.withdraw("told")
    assert beliefs.estimate(N, LATER) == Posterior(text).estimate(N, LATER)


def test_text_after_a_correction_counts_again_but_hardly_moves_it() -> None:
    told = trait_evidence("told", direction=-1, strength=0.5, source="correction")
    after = [trait_evidence(f"ev_{i}", conversation_id=f"con_{i}", strength=1.0, observed_at=LATER) for i in range(100)]
    alone, moved = Posterior([told]).estimate(N, LATER), Posterior([told, *after]).estimate(N, LATER)
    assert alone.mean < moved.mean < 50
    assert moved.evidence_count == 101


def test_the_newest_questionnaire_replaces_older_ones() -> None:
    old = trait_evidence("q1", source="questionnaire", item="ipip-50", strength=1.0)
    new = trait_evidence("q2", source="questionnaire", item="ipip-50", strength=0.4, observed_at=LATER)
    assert Posterior([old, new]).estimate(N, LATER) == Posterior([new]).estimate(N, LATER)


def test_a_more_reliable_questionnaire_is_believed_more() -> None:
    short, long = (
        of(trait_evidence(source="questionnaire", item=name, strength=0.5)) for name in ("mini-ipip-20", "ipip-50")
    )
    assert short.sd == pytest.approx(10 * math.sqrt(0.32))
    assert long.sd == pytest.approx(10 * math.sqrt(0.17))
    assert 50 < short.mean < long.mean < 65


@given(st.floats(20, 80))
def test_a_told_score_survives_its_encoding(t_score: float) -> None:
    direction, strength = encode(t_score)
    assert 0 <= strength <= 1
    assert 50 + direction * strength * 30 == pytest.approx(t_score)


def test_traits_do_not_mix() -> None:
    assert Posterior(many(30)).estimate(Trait.OPENNESS, NOON) == TraitEstimate(Trait.OPENNESS, 50, 10, 0)


def simulated(source: str, text: Text, seed: int, conversations: int, pieces: int) -> tuple[float, list[TraitEvidence]]:
    """A person of known trait and what their noisy text would show of it."""
    random = np.random.default_rng(seed)
    trait = random.normal()
    bias = random.normal(scale=math.sqrt(text.person))
    evidence = []
    for conversation in range(conversations):
        error = random.normal(scale=math.sqrt(text.conversation))
        for piece in range(pieces):
            shown = trait + bias + error + random.normal(scale=math.sqrt(text.piece))
            signed = max(-1.0, min(1.0, shown * text.gain))
            evidence.append(
                trait_evidence(
                    f"{conversation}-{piece}",
                    direction=1 if signed >= 0 else -1,
                    strength=abs(signed),
                    conversation_id=str(conversation),
                    source=source,  # type: ignore[arg-type]
                )
            )
    return 50 + 10 * trait, evidence


@pytest.mark.parametrize("source", ["offline", "model"])
@pytest.mark.parametrize(("conversations", "pieces"), [(1, 5), (3, 20), (30, 10)])
def test_ninety_percent_intervals_hold_the_truth_as_often_as_they_say(
    source: str, conversations: int, pieces: int
) -> None:
    held = 0
    for seed in range(1000):
        truth, evidence = simulated(source, TEXT[source], seed, conversations, pieces)
        found = Posterior(evidence).estimate(N, NOON)
        held += abs(truth - found.mean) <= 1.645 * found.sd
    assert 0.87 <= held / 1000 <= 0.93


def test_intervals_hold_when_text_is_noisier_than_assumed() -> None:
    assumed = TEXT["offline"]
    noisier = Text(assumed.gain * 0.7, assumed.piece * 1.5, assumed.conversation * 1.5, assumed.person * 1.5)
    held = 0
    for seed in range(1000):
        truth, evidence = simulated("offline", noisier, seed, 10, 20)
        found = Posterior(evidence).estimate(N, NOON)
        held += abs(truth - found.mean) <= 1.645 * found.sd
    assert 0.85 <= held / 1000 <= 0.95


def test_means_follow_the_truth_as_far_as_text_can_show_it() -> None:
    people = [simulated("offline", TEXT["offline"], seed, 30, 10) for seed in range(1000)]
    means = [Posterior(evidence).estimate(N, NOON).mean for _, evidence in people]
    assert 0.25 < np.corrcoef([truth for truth, _ in people], means)[0, 1] < 0.45
