from hypothesis import given
from hypothesis import strategies as st

from training.example import (
    CATEGORIES,
    DIMENSIONS,
    TRAITS,
    CriteriaSet,
    Criterion,
    Example,
    Memory,
    PromptMessage,
    from_row,
)

texts = st.text(max_size=30)
ids = st.text("abc123", min_size=1, max_size=6)
memories = st.builds(Memory, texts, st.none() | ids, st.lists(ids, max_size=3, unique=True).map(tuple))
sets = st.builds(CriteriaSet, st.lists(st.builds(Criterion, texts, st.floats(0, 100)), max_size=3).map(tuple), ids)
examples = st.builds(
    Example,
    id=ids,
    person=ids,
    category=st.sampled_from(CATEGORIES),
    query=texts,
    prompt=st.lists(st.builds(PromptMessage, role=st.sampled_from(["system", "user"]), content=texts), max_size=3).map(
        tuple
    ),
    persona=texts,
    situation=texts,
    memory=st.lists(memories, max_size=3).map(tuple),
    big_five=st.dictionaries(st.sampled_from(TRAITS), st.sampled_from(["low", "medium", "high"])),
    split=st.sampled_from([None, "train", "test", "ood"]),
    criteria=st.dictionaries(st.sampled_from(DIMENSIONS), st.lists(sets, max_size=2).map(tuple)),
)


@given(examples, st.integers(0, 1000))
def test_a_row_holds_the_whole_example(example: Example, index: int) -> None:
    row = example.row(index)
    assert from_row(row) == example
    assert row["extra_info"]["index"] == index
    assert {memory.fact_id for memory in example.memory if memory.fact_id} == set(row["extra_info"]["fact_ids"])
