from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.builder_server import ScriptedBuilder
from tests.fakes.embedding import shared_embedder
from tests.fakes.scripted_answers import error
from tests.fakes.sessions import session, write_sessions
from training.calls import CallError
from training.endpoint import Endpoint
from training.errors import DatasetError
from training.example import CATEGORIES
from training.personaemp.build import Built, build
from training.personaemp.build_config import BuildConfig, FailureLimit
from training.personaemp.dataset import read_examples
from training.personaemp.pipeline import StagesConfig
from training.personaemp.record import ERROR_MARK
from training.personaemp.sources.sources import SourcesConfig
from training.personaemp.split import SplitRule

SPLIT = SplitRule(test_share=0.4, min_test_people=1, ood=False)
FEW = StagesConfig(situations=1, real_queries=0)
"""For tests that are not about what is in the rows: a text takes milliseconds to embed."""


def configured(directory: Path, base_url: str, people: int, **changes: Any) -> BuildConfig:
    source = write_sessions(directory / "sessions.jsonl", people)
    fixed = {
        "out": directory / "set",
        "sources": SourcesConfig(alpsbench=source),
        "builder": Endpoint(base_url=base_url, model="scripted", concurrency=8),
        "split": SPLIT,
    }
    return BuildConfig(**{**fixed, **changes})


async def built(config: BuildConfig, **options: Any) -> Built:
    return await build(config, embedder=shared_embedder(), **options)


async def test_what_is_left_out_is_what_was_planted(tmp_path: Path) -> None:
    async with ScriptedBuilder(every=4) as server:
        config = configured(tmp_path, server.base_url, 40, failures=FailureLimit(share=0.5))
        manifest = (await built(config)).manifest
    planted, drops = server.planted, manifest.build.drops
    assert {name for name in planted if planted[name] == 0} == set()
    assert drops["select"] == {"intents": planted["other intent"]}
    assert drops["persona"] == {"shallow": planted["shallow"]}
    assert drops["situations"] == {
        "no_such_memory": planted["no such memory"],
        "error_memory": planted["error memory"],
    }
    assert drops["inspection"] == {
        "inconsistent": planted["contradiction"],
        "out_of_role": planted["out of role"],
        **{f"call_{kind}": planted[f"shape:{kind}"] for kind in ("garbled", "schema") if planted[f"shape:{kind}"]},
    }
    assert drops["duplicates"] == {"near_duplicate": planted["near duplicate"] - 1}
    assert drops["real"] == {"no_such_message": planted["no such message"]}
    assert set(drops) == {"select", "persona", "situations", "inspection", "duplicates", "real"}


async def test_every_row_is_whole_grounded_and_known_in_time(tmp_path: Path) -> None:
    async with ScriptedBuilder() as server:
        config = configured(tmp_path, server.base_url, 4)
        manifest = (await built(config)).manifest
    texts = {number: [turn["text"] for turn in session(number)["dialogue"]] for number in range(4)}
    examples = [example for split in manifest.files for example in read_examples(config.out, split)]
    assert {example.origin for example in examples} == {"written", "real"}
    for example in examples:
        assert example.category in CATEGORIES
        assert example.language == "en"
        assert example.query in example.prompt[-1]["content"]
        assert len(example.big_five) == 5
        assert example.persona
        assert example.message_ids
        assert ERROR_MARK not in str(example)
        if example.origin == "real":
            said = next(said for said in texts.values() if example.query in said)
            history = [message["content"] for message in example.prompt[1:-1]]
            assert history == said[: said.index(example.query)]


async def test_the_same_data_set_comes_out_whatever_is_answered_first(tmp_path: Path) -> None:
    shas = []
    for place, concurrency in enumerate((1, 32)):
        directory = tmp_path / str(place)
        directory.mkdir()
        async with ScriptedBuilder(every=5) as server:
            builder = Endpoint(base_url=server.base_url, model="scripted", concurrency=concurrency)
            config = configured(directory, "", 5, builder=builder, failures=FailureLimit(share=0.5))
            manifest = (await built(config)).manifest
        shas.append(({split: file.sha256 for split, file in manifest.files.items()}, manifest.build.drops))
    assert shas[0] == shas[1]


async def test_a_second_build_asks_nothing_again(tmp_path: Path) -> None:
    async with ScriptedBuilder() as server:
        config = configured(tmp_path, server.base_url, 4, stages=FEW)
        first = await built(config)
        asked = sum(server.asked.values())
        again = await built(config.model_copy(update={"out": tmp_path / "again", "work": config.work_dir}))
        assert sum(server.asked.values()) == asked
    assert first.manifest.files == again.manifest.files
    assert again.progress.tokens == (0, 0)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_build_killed_three_times_gives_the_same_data_set_and_repeats_no_finished_call(tmp_path: Path) -> None:
    concurrency, people = 4, 8
    async with ScriptedBuilder() as server:
        config = configured(tmp_path, server.base_url, people)
        file = tmp_path / "dataset.toml"
        file.write_text(
            f'out = "{config.out}"\n[sources]\nalpsbench = "{config.sources.alpsbench}"\n'
            f'[builder]\nbase_url = "{server.base_url}"\nmodel = "scripted"\nconcurrency = {concurrency}\n'
            "[split]\ntest_share = 0.4\nmin_test_people = 1\nood = false\n"
        )
        for calls in (8, 24, 40):
            process = await _started(file)
            await server.chat(calls)
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
            assert not config.out.exists()
        process = await _started(file)
        _, told = await process.communicate()
        assert process.returncode == 0, told.decode()
        repeated = sum(count - 1 for count in server.asked.values())
    assert repeated <= 3 * concurrency
    async with ScriptedBuilder() as server:
        builder = Endpoint(base_url=server.base_url, model="scripted")
        whole = await built(configured(tmp_path, "", people, builder=builder, out=tmp_path / "whole"))
    for split, one in whole.manifest.files.items():
        assert (config.out / f"{split}.parquet").read_bytes() == (tmp_path / f"whole/{split}.parquet").read_bytes(), one
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".partial")]


async def _started(config: Path) -> asyncio.subprocess.Process:
    command = "from training.cli import main; main()"
    arguments = (sys.executable, "-c", command, "data", "build", "--config", str(config))
    return await asyncio.create_subprocess_exec(
        *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


class Mumbling(ScriptedBuilder):
    """Inspects nothing, and talks about it."""

    def _inspection(self, question: str, key: str) -> str:
        return "I would rather not say."


async def test_too_many_failed_calls_stop_the_build_and_keep_what_was_answered(tmp_path: Path) -> None:
    async with Mumbling() as server:
        config = configured(tmp_path, server.base_url, 5, failures=FailureLimit(share=0.001))
        with pytest.raises(DatasetError, match=r"calls failed .*inspection.*Repair: .*run the same command again"):
            await built(config)
        assert not config.out.exists()
        asked = sum(server.asked.values())
        await built(config.model_copy(update={"failures": FailureLimit(share=1.0)}))
        repeated = sum(server.asked.values()) - asked
    assert repeated < asked


@pytest.mark.parametrize("break_it", ["dead", "refusing", "silent"])
async def test_a_server_that_cannot_be_asked_fails_at_once_with_the_repair(tmp_path: Path, break_it: str) -> None:
    async with ScriptedBuilder(api_key="secret" if break_it == "refusing" else None) as server:
        config = configured(tmp_path, server.base_url, 3)
        if break_it == "dead":
            await server.refuse()
        if break_it == "silent":
            server.on_models = error(503)
        async with asyncio.timeout(60):
            with pytest.raises(CallError, match=r"start the model server|does not accept the API key|look at its log"):
                await built(config)
    assert not config.out.exists()


async def test_a_server_that_dies_on_the_way_fails_the_build_by_its_threshold(tmp_path: Path) -> None:
    async with ScriptedBuilder() as server:
        builder = Endpoint(base_url=server.base_url, model="scripted", concurrency=8, retries=0)
        config = configured(tmp_path, "", 24, builder=builder)
        building = asyncio.create_task(built(config))
        await server.chat(20)
        await server.__aexit__()
        with pytest.raises(DatasetError, match=r"unreachable.*look at the model server"):
            await building


@pytest.mark.parametrize("place", ["out", "work"])
async def test_a_directory_that_cannot_be_written_fails_before_anybody_is_asked(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    async with ScriptedBuilder() as server:
        config = configured(tmp_path, server.base_url, 3, **{place: tmp_path / "file" / "below"})
        with pytest.raises(DatasetError, match="Repair: choose a directory"):
            await built(config)
        assert server.requests == []


async def test_bad_lines_are_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    async with ScriptedBuilder() as server:
        config = configured(tmp_path, server.base_url, 4, stages=FEW)
        source = config.sources.alpsbench
        assert source is not None
        source.write_text('{"session_id": "x"}\n' + source.read_text() + "not json\n")
        told: list[str] = []
        manifest = (await built(config, skipped=lambda one: told.append(one.where))).manifest
    assert told == ["sessions.jsonl:1", "sessions.jsonl:6"]
    assert manifest.build.sources[0].records == 4


async def test_limit_reads_only_the_first_records(tmp_path: Path) -> None:
    async with ScriptedBuilder() as server:
        config = configured(tmp_path, server.base_url, 6, stages=FEW)
        result = await built(config, limit=4)
    assert result.progress.records == 4
    assert result.manifest.people == 4
