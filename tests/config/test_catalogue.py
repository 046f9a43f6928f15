import pytest

from cdmer_bench.config.catalogue import pairs


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["task=a/b"], [("a", "b")]),
        (["task=[a/b,exp05,c/d]"], [("a", "b"), ("c", "d")]),
        (["task=exp05", "method=a/b"], []),
        (["task=/b", "task=a/", "task=a/b/c"], []),
    ],
)
def test_pairs_of_databases_are_found_in_task_overrides_alone(arguments, expected):
    assert pairs(arguments) == expected
