import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from memory import archive
from memory.errors import ImportFileError
from memory.ids import new_id
from memory.ledger.going import Target
from memory.ledger.ledger import Ledger
from memory.portability import package, place
from memory.portability.carry import Carrying
from memory.types import Evidence, Kind, NewFact, NewTraitEvidence, Person, Trait
from tests.fakes.fact_index import RememberingIndex

LONG_AGO = datetime(2021, 3, 4, 5, 6, 7, 891, tzinfo=UTC)


async def live(ledger: Ledger, person: Person) -> None:
    """Give a person something of every kind that can be held."""
    id = person.id
    await ledger.settings.update(id, training=True, locale="de-AT", country="AT", retention_days=900, adult=True)
    await ledger.settings.update(id, training=False)
    first = await ledger.conversations.create(id, "Böse \U0001f40d", created_at=LONG_AGO)
    other = await ledger.conversations.create(id, origin="import:x", synthetic_dates=True)
    await ledger.conversations.create(id, "empty")
    hidden = await ledger.conversations.create(id, incognito=True)
    await ledger.messages.append(id, hidden.id, "user", "nobody knows")
    say = ledger.messages.append
    asked = (
        await say(id, first.id, "user", "I live in Bern.\n\n> \u2028 # not a title", client_message_id="c1")
    ).message
    elsewhere = (await say(id, other.id, "user", "I row.", crisis_level="concern")).message
    fact = await ledger.facts.add(
        id, NewFact("Lives in Bern.", Kind.BACKGROUND, 0.7, "stated", (Evidence(asked.id, "I live in Bern"),), LONG_AGO)
    )
    why = {"fact_ids": [fact.id], "policy_version": "builtin-1", "timings": {"recall": 1.5}}
    later = {"conversation_id": first.id, "message_ids": [asked.id]}
    one = (await say(id, first.id, "assistant", "Ah.", asked.id, status="partial", explanation=why)).message
    two = (await say(id, first.id, "assistant", "Oh!", asked.id, created_at=LONG_AGO + timedelta(days=1))).message
    await ledger.feedback.put(id, one.id, "down", "cold", "Oh, Bern!")
    await say(
        id,
        first.id,
        "user",
        "Now I live in Basel.",
        two.id,
        jobs=[("reflect", later)],
    )
    moved = NewFact("Lives in Basel.", Kind.BACKGROUND, 0.95, "edited", (), LONG_AGO + timedelta(days=9))
    await ledger.facts.revise(id, fact.id, moved)
    guessed = NewFact("Likes water.", Kind.PREFERENCE, 0.4, "inferred", (Evidence(elsewhere.id, "I row."),), LONG_AGO)
    await ledger.facts.add(id, guessed)
    gone = await ledger.facts.add(id, NewFact("Is tall.", Kind.OTHER, 0.5, "edited", (), LONG_AGO))
    job = await ledger.jobs.enqueue(id, "forget", {})
    await ledger.erasures.erase(id, Target("fact", (gone.id,)), job.id)
    await ledger.traits.add(
        id, other.id, NewTraitEvidence(Trait.OPENNESS, 1, 0.5, Evidence(elsewhere.id, "I row."), LONG_AGO, "x1")
    )
    await ledger.traits.tell(id, [(Trait.NEUROTICISM, -1, 0.75)], "questionnaire", "ipip20", LONG_AGO)
    await ledger.trait_controls.freeze(id, Trait.OPENNESS, LONG_AGO)
    await ledger.trait_controls.withdraw(id, [Trait.EXTRAVERSION])


def carrying(ledger: Ledger, tmp_path: Path) -> Carrying:
    return Carrying(ledger, RememberingIndex(), tmp_path)


def named(held: archive.Archive) -> dict[str, Any]:
    """The archive with every id in place of which it came in, what is not restored left out."""
    names: dict[str, str] = {}
    data = held.model_dump(mode="json", exclude={"account"})
    for kind, things in (
        ("conversation", data["conversations"]),
        ("message", [m for c in data["conversations"] for m in c["messages"]]),
        ("fact", data["memories"]["facts"]),
        ("trait", data["traits"]["observations"]),
    ):
        names |= {thing["id"]: f"{kind} {number}" for number, thing in enumerate(things)}

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: renamed(part) for key, part in value.items()}
        if isinstance(value, list):
            return [renamed(part) for part in value]
        return names.get(value, value) if isinstance(value, str) else value

    return dict(renamed(data))


async def test_export_erase_import_export_is_the_same_but_for_ids(ledger: Ledger, tmp_path: Path) -> None:
    person = await ledger.users.create("ada")
    await live(ledger, person)
    file, again = tmp_path / "one.zip", tmp_path / "two.zip"
    await carrying(ledger, tmp_path).write(person.id, file)
    before = package.read(file)
    await ledger.users.delete(person.id)

    person = await ledger.users.create("ada")
    restored = await carrying(ledger, tmp_path).restore(person.id, file)
    assert (restored.conversations, restored.messages, len(restored.facts), restored.jobs) == (3, 5, 3, 1)
    await carrying(ledger, tmp_path).write(person.id, again)
    after = package.read(again)
    assert named(after) == named(before)
    assert {one.id for one in after.conversations}.isdisjoint(one.id for one in before.conversations)
    assert "nobody knows" not in after.model_dump_json()


async def test_importing_an_archive_again_adds_nothing(ledger: Ledger, tmp_path: Path) -> None:
    person = await ledger.users.create("ada")
    await live(ledger, person)
    file = tmp_path / "one.zip"
    await carrying(ledger, tmp_path).write(person.id, file)
    before = (await ledger.holdings.read(person.id)).model_dump(exclude={"account"})
    for _ in range(2):
        restored = await carrying(ledger, tmp_path).restore(person.id, file)
        assert (restored.conversations, restored.messages, restored.facts, restored.observations) == (0, 0, (), 0)
    assert (await ledger.holdings.read(person.id)).model_dump(exclude={"account"}) == before

    friend = await ledger.users.create("bob")
    for added in (3, 0):
        restored = await carrying(ledger, tmp_path).restore(friend.id, file)
        assert (restored.conversations, len(restored.facts)) == (added, added)
    assert (await ledger.holdings.read(person.id)).model_dump(exclude={"account"}) == before


async def test_restored_facts_are_findable_and_the_same_fact_gains_the_quotes(ledger: Ledger, tmp_path: Path) -> None:
    ada, bob = await ledger.users.create("ada"), await ledger.users.create("bob")
    await live(ledger, ada)
    file = tmp_path / "one.zip"
    index = RememberingIndex()
    await Carrying(ledger, index, tmp_path).write(ada.id, file)
    known = await ledger.facts.add(bob.id, NewFact("likes WATER", Kind.PREFERENCE, 0.9, "edited", (), LONG_AGO))
    await Carrying(ledger, index, tmp_path).restore(bob.id, file)
    assert sorted(index.texts.values()) == ["Lives in Basel.", "likes WATER"]
    assert [one.quote for one in (await ledger.facts.get(bob.id, known.id)).evidence] == ["I row."]


async def test_the_pages_show_what_is_held(ledger: Ledger, tmp_path: Path) -> None:
    person = await ledger.users.create("ada")
    await live(ledger, person)
    await carrying(ledger, tmp_path).write(person.id, tmp_path / "one.zip")
    assert (tmp_path / "one.zip").stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(tmp_path / "one.zip") as packed:
        page = {name: packed.read(name).decode() for name in packed.namelist() if name.endswith(".md")}
    assert "## Lives in Bern." in page["memories.md"] and "Now: Lives in Basel." in page["memories.md"]
    assert "> I row." in page["traits.md"] and "questionnaire" in page["traits.md"]
    assert "Böse" in page["README.md"] and "training not allowed any more" in page["README.md"]
    assert any(["> > ", " # not a title"][0].strip() in text for text in page.values())


def _unzipped(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("manifest.json", lambda _text: b"{", "not JSON"),
        ("manifest.json", lambda text: text.replace(b'"version": 1', b'"version": 2'), "version 2"),
        ("manifest.json", lambda text: text.replace(b'"attune"', b'"other"'), "no archive of Attune"),
        ("memories.json", lambda text: text.replace(b"Bern", b"Rome"), "damaged or was changed"),
        ("memories.json", None, "missing"),
        ("manifest.json", None, "no manifest.json"),
    ],
)
async def test_an_archive_that_was_changed_is_refused_whole(
    ledger: Ledger, tmp_path: Path, name: str, change: Any, said: str
) -> None:
    person, stranger = await ledger.users.create("ada"), await ledger.users.create("bob")
    await live(ledger, person)
    file, changed = tmp_path / "one.zip", tmp_path / "changed.zip"
    await carrying(ledger, tmp_path).write(person.id, file)
    with zipfile.ZipFile(changed, "w") as packed:
        for one, content in _unzipped(file).items():
            if one != name:
                packed.writestr(one, content)
            elif change is not None:
                packed.writestr(one, change(content))
    with pytest.raises(ImportFileError, match=said) as caught:
        await carrying(ledger, tmp_path).restore(stranger.id, changed)
    assert "Bern" not in str(caught.value)
    assert (await ledger.holdings.read(stranger.id)).conversations == ()


async def test_what_is_no_zip_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 but no more")
    with pytest.raises(ImportFileError, match="cannot read"):
        await carrying(ledger, tmp_path).restore((await ledger.users.create()).id, tmp_path / "x.zip")


async def test_old_exports_go_and_new_ones_stay(tmp_path: Path) -> None:
    person, job = new_id("user"), new_id("job")
    path = place.archive_path(tmp_path, person, job)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    assert place.tidy(tmp_path) == 0
    assert place.tidy(tmp_path, path.stat().st_mtime + place.KEPT_S + 1) == 1
    path.write_bytes(b"x")
    assert (place.clear(tmp_path, person), place.exports(tmp_path, person)) == (1, [])
