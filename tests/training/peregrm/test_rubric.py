from __future__ import annotations

from training.peregrm.rubric import load_rubric


def test_the_rubric_holds_what_every_preset_names() -> None:
    rubric = load_rubric()
    assert {"peregrm", "perm", "rlpa"} == set(rubric.presets)
    for preset in rubric.presets.values():
        assert set(preset.dimensions) <= set(rubric.measures)
    assert all(measure.asks and measure.low and measure.middle and measure.high for measure in rubric.measures.values())


def test_the_bystander_gives_five_scores_of_twenty_and_the_dimensions_one_to_five() -> None:
    rubric = load_rubric()
    assert len(rubric.bystander) == 5
    assert (rubric.bystander_scale.low, rubric.bystander_scale.high) == (0, 20)
    for name in rubric.presets["peregrm"].dimensions:
        assert (rubric.measures[name].scale.low, rubric.measures[name].scale.high) == (1, 5)
