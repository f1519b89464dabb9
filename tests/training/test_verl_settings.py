import pytest

from training.verl_settings import overrides, problems

KNOWN = {
    "data": {"train_batch_size": 1024, "apply_chat_template_kwargs": {}, "custom_cls": {"path": None}},
    "actor_rollout_ref": {"rollout": {"n": 1}, "model": {"override_config": {}}},
    "reward": {"num_workers": 8},
    "custom_reward_function": {"path": None},
}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"data": {"train_batchsize": 8}},
            "verl.data.train_batchsize: verl knows no such key; train_batch_size was meant?",
        ),
        ({"dota": {"x": 1}}, "verl.dota: verl knows no such key; data was meant?"),
        ({"actor_rollout_ref": {"rollout": {"zzz": 8}}}, "verl.actor_rollout_ref.rollout.zzz: verl knows no such key"),
        (
            {"custom_reward_function": {"path": "mine.py"}},
            "verl.custom_reward_function: verl 0.9 ignores it; write it under reward.custom_reward_function",
        ),
    ],
)
def test_a_key_verl_does_not_heed_is_named_with_what_was_meant(settings: dict[str, object], said: str) -> None:
    assert problems(settings, KNOWN) == [said]


def test_open_mappings_take_any_key() -> None:
    settings = {"data": {"apply_chat_template_kwargs": {"enable_thinking": False}, "train_batch_size": 4}}
    assert problems(settings, KNOWN) == []
    assert overrides(settings, KNOWN) == [
        "+data.apply_chat_template_kwargs.enable_thinking=false",
        "data.train_batch_size=4",
    ]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1e-6, "1e-06"),
        (None, "null"),
        (True, "true"),
        ("grpo", "grpo"),
        ("true", "'true'"),
        ("/data/it's here", r"'/data/it\'s here'"),
        (["a", "b c"], "[a,'b c']"),
        ({}, "{}"),
    ],
)
def test_values_are_written_as_hydra_reads_them(value: object, written: str) -> None:
    assert overrides({"reward": {"num_workers": value}}, KNOWN) == [f"reward.num_workers={written}"]
