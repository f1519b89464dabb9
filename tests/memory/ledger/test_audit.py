from memory.ledger.ledger import Ledger
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
