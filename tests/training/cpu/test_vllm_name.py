from __future__ import annotations

from importlib.metadata import Distribution, distributions
from pathlib import Path

from training.cpu.vllm_name import write_distribution


def written(directory: Path) -> Distribution:
    (found,) = distributions(path=[str(directory)])
    return found


def test_python_finds_a_distribution_named_vllm_with_our_plugin(tmp_path: Path) -> None:
    write_distribution(tmp_path, "0.30.0")
    found = written(tmp_path)
    assert (found.name, found.version) == ("vllm", "0.30.0+cpu")
    (plugin,) = found.entry_points.select(group="vllm.general_plugins")
    assert plugin.value == "training.cpu.vllm_linear:register"
    assert callable(plugin.load())


def test_its_record_names_every_file_so_that_pip_can_remove_it(tmp_path: Path) -> None:
    directory = write_distribution(tmp_path, "0.30.0")
    assert {tmp_path / str(file) for file in written(tmp_path).files or ()} == set(directory.iterdir())


def test_writing_it_twice_leaves_one(tmp_path: Path) -> None:
    write_distribution(tmp_path, "0.30.0")
    write_distribution(tmp_path, "0.30.0")
    assert written(tmp_path).version == "0.30.0+cpu"
