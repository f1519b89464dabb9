from collections import Counter

from memory.persona.items import items
from memory.types import Trait


def test_there_are_24_items_of_each_trait_and_4_of_each_facet() -> None:
    assert Counter(item.trait for item in items()) == dict.fromkeys(Trait, 24)
    facets = Counter((item.trait, item.facet) for item in items())
    assert len(facets) == 30
    assert set(facets.values()) == {4}


def test_ids_are_unique_and_name_trait_and_facet() -> None:
    ids = [item.id for item in items()]
    assert len(set(ids)) == 120
    assert all(item.id[0] == item.trait.value[0].upper() for item in items())


def test_an_item_reads_in_the_first_person() -> None:
    assert items()[0].statement == "I worry about things"


def test_each_item_stands_beside_what_people_say_for_and_against_it() -> None:
    for item in items():
        assert len(item.like) == len(item.unlike) == 2
        assert not {item.statement, *item.like} & set(item.unlike)


def test_both_keys_occur_for_every_trait() -> None:
    assert {(item.trait, item.key) for item in items()} == {(trait, key) for trait in Trait for key in (-1, 1)}
