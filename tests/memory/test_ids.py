import re
import time
from concurrent.futures import ThreadPoolExecutor

from memory.ids import is_id, new_id


def test_an_id_is_its_prefix_and_26_characters() -> None:
    assert re.fullmatch(r"msg_[0-9a-hjkmnp-tv-z]{26}", new_id("msg"))


def test_ids_sort_by_creation_within_a_process() -> None:
    ids = [new_id("msg") for _ in range(5000)]
    assert ids == sorted(ids)


def test_a_later_id_sorts_after_an_earlier_one_across_a_pause() -> None:
    earlier = new_id("fact")
    time.sleep(0.002)
    assert earlier < new_id("fact")


def test_ids_made_by_several_threads_never_repeat() -> None:
    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(lambda _: new_id("job"), range(8000)))
    assert len(set(ids)) == 8000


def test_the_random_part_of_consecutive_ids_differs_everywhere() -> None:
    tails = [new_id("msg")[-16:] for _ in range(200)]
    assert len({tail[:8] for tail in tails}) == 200
    assert len({tail[8:] for tail in tails}) == 200


def test_an_id_is_told_from_what_is_none() -> None:
    id = new_id("msg")
    assert is_id(id) and is_id(id, "msg")
    for other in ("", "*", "../x", id[:-1], id + "0", id.upper(), "msg_" + "u" * 26, id + "\n"):
        assert not is_id(other)
    assert not is_id(id, "fact")
