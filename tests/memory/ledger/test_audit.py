import pytest

from memory.ledger.ledger import Ledger
from memory.ledger.page import InvalidCursorError, to_cursor
from memory.types import Person


async def test_acts_are_listed_newest_first_on_one_subject_or_all(ledger: Ledger) -> None:
    first = await ledger.audit.write("key_1", "key.revoke", "key_2")
    second = await ledger.audit.write("key_1", "person.erase", "per_1", {"messages": 3})
    assert await ledger.audit.list() == [second, first]
    assert await ledger.audit.list(subject="key_2") == [first]
    assert await ledger.audit.list(limit=1) == [second]


async def test_an_act_stays_on_record_after_its_subject_is_erased(ledger: Ledger, person: Person) -> None:
    entry = await ledger.audit.write("system", "person.erase", person.id)
    await ledger.users.delete(person.id)
    assert await ledger.audit.list(subject=person.id) == [entry]


async def test_acts_come_in_pages_of_one_subject_or_one_action(ledger: Ledger) -> None:
    acts = [await ledger.audit.write("key_1", f"act.{n % 2}", f"per_{n % 3}") for n in range(7)]
    seen, cursor = [], None
    while True:
        page, cursor = await ledger.audit.page(cursor, limit=3)
        seen += page
        if cursor is None:
            break
    assert seen == acts[::-1]
    assert (await ledger.audit.page(subject="per_0"))[0] == [acts[6], acts[3], acts[0]]
    assert (await ledger.audit.page(action="act.1"))[0] == [acts[5], acts[3], acts[1]]
    for wrong in ("x", to_cursor("-1"), to_cursor("1", "2"), to_cursor("9" * 40)):
        with pytest.raises(InvalidCursorError):
            await ledger.audit.page(wrong)
