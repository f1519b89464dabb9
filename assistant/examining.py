"""`attune doctor` and `attune models`: what is there, what works, and the repair where it does not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from assistant.config import AssistantConfig
from assistant.errors import AttuneError
from assistant.models.auto import choose, chosen, found, open_policy
from assistant.owner import owner_key
from assistant.remote import Remote
from assistant.runtime import Runtime, open_runtime
from assistant.safety.learned import encoder, weights
from assistant.safety.resources import entries_older_than
from memory.errors import MemoryLayerError

MIN_FREE_BYTES = 1 << 30
MAX_AGE_DAYS = 365
"""Of an entry in the directory of crisis lines."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    detail: str


async def examine(config: AssistantConfig, remote: Remote | None) -> list[Finding]:
    """Look at everything; through the running backend where one holds the data directory."""
    home = config.memory_config.home
    findings = [Finding("data directory", True, str(home)), _disk(home), _owner(home), _crisis_lines(), _learned()]
    if remote is not None:
        with remote.client(10) as client:
            health = client.get("/readyz").json()
        findings.append(Finding("backend", True, f"runs at {remote.url}"))
        findings += [Finding(name, state in ("ok", "starting"), state) for name, state in health["checks"].items()]
        return findings
    try:
        async with open_runtime(config) as runtime:
            findings += await _opened(runtime)
    except (MemoryLayerError, AttuneError) as error:
        findings.append(Finding("opening", False, str(error)))
    return findings


async def _opened(runtime: Runtime) -> list[Finding]:
    findings = [Finding("ledger", True, "opened, migrations applied")]
    try:
        await runtime.embedder.ready()
        identity = runtime.embedder.identity
        findings.append(Finding("embedder", True, f"{identity.name}, {identity.dimension} dimensions"))
        findings.append(await _agreement(runtime))
    except MemoryLayerError as error:
        findings.append(Finding("embedder", False, str(error)))
    try:
        await runtime.policy.check()
        findings.append(Finding("policy", True, runtime.policy.identity.description))
    except AttuneError as error:
        findings.append(Finding("policy", False, error.message))
    counts = await runtime.ledger.jobs.counts()
    findings.append(
        Finding("jobs", not counts.get("failed"), ", ".join(f"{k} {v}" for k, v in counts.items()) or "none")
    )
    return findings


async def _agreement(runtime: Runtime) -> Finding:
    """Whether the index holds exactly the active facts of the ledger."""
    missing = orphaned = total = 0
    for person_id in await runtime.ledger.facts.people_with_facts():
        active = {fact.id async for fact in runtime.ledger.facts.all_active(person_id)}
        indexed = await runtime.index.ids(person_id)
        missing, orphaned, total = (
            missing + len(active - indexed),
            orphaned + len(indexed - active),
            total + len(active),
        )
    detail = f"{total} facts, {missing} missing from the index, {orphaned} orphaned in it"
    repair = "" if not (missing or orphaned) else ". Repair: attune doctor --rebuild-index"
    return Finding("index", not (missing or orphaned), detail + repair)


def _disk(home: Path) -> Finding:
    place = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(place).free
    return Finding("disk", free >= MIN_FREE_BYTES, f"{free / (1 << 30):.1f} GiB free")


def _crisis_lines() -> Finding:
    old = entries_older_than(MAX_AGE_DAYS)
    named = ", ".join(f"{entry.country} {entry.checked or 'never'}" for entry in old[:5])
    detail = f"{len(old)} entries were last checked over a year ago: {named}" if old else "all checked within a year"
    return Finding("crisis lines", not old, detail)


def _learned() -> Finding:
    try:
        manifest = weights().manifest
        encoder()
    except Exception as error:
        repair = "every message counts as concern until it can. Repair: install again"
        return Finding("learned screen", False, f"cannot be read ({error}); {repair}")
    return Finding("learned screen", True, f"fitted to {manifest['lines']:,} lines")


def _owner(home: Path) -> Finding:
    if owner_key(home) is None:
        return Finding("owner key", True, "none yet; the first start makes it")
    mode = (home / "owner.key").stat().st_mode & 0o777
    private = os.name == "nt" or mode & 0o077 == 0
    return Finding("owner key", private, "private" if private else f"readable by others ({mode:o}): chmod 600 it")


async def describe_models(config: AssistantConfig) -> list[str]:
    """Say what was found and what would answer."""
    lines = [
        f"{candidate.name}  {candidate.description}"
        + ("  (text leaves this machine)" if candidate.leaves_machine else "")
        for candidate in await found(config)
    ]
    model = await open_policy(config)
    try:
        try:
            await model.check()
        except AttuneError as error:
            return [*lines, f"would answer, but cannot now: {error.message}"]
        return [*lines, f"answers now: {model.identity.description}"]
    finally:
        await model.aclose()


async def choose_model(config: AssistantConfig, name: str, agree: Callable[[str], bool]) -> str:
    """Note the person's choice, after their yes where text would leave the machine.

    Raises:
        AttuneError: nothing of that name was found.
    """
    home = config.memory_config.home
    candidates = {candidate.name: candidate for candidate in await found(config)}
    if name not in candidates:
        raise AttuneError(f"no model {name!r}; found: {', '.join(candidates) or 'none'}")
    if candidates[name].leaves_machine and not agree(candidates[name].description):
        return f"nothing changed; {chosen(home) or 'the automatic choice'} stays"
    choose(home, name)
    return f"{name} answers from the next start on"
