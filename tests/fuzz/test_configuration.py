"""Random grids, cards and YAML.

A clean result or a UserError, never anything else. The fast suite draws a few hundred inputs, the
slow one (``-m slow``) more than ten thousand.
"""

import io

import numpy as np
import pytest
from hypothesis import strategies as st

from cdmer_bench.config.schema import MethodCard
from cdmer_bench.errors import UserError
from cdmer_bench.methods.inputs import expand_grid, parse_range
from tests.fuzz.drawing import PLAIN, both

NUMBERS = st.one_of(
    st.integers(-50, 200).map(str),
    st.decimals(-5, 20, places=3).map(str),
    st.sampled_from(["1e400", "-1e-400", "nan", "inf", "", " ", "1_0", "٣", "0x1", "1e9", "a"]),
)
PARTS = st.lists(NUMBERS, min_size=1, max_size=4).map(":".join)
NOTATIONS = st.one_of(st.lists(PARTS, max_size=5).map(",".join), st.text(max_size=30))


def check_notation(notation):
    try:
        values = parse_range(notation)
    except UserError:
        return
    assert values
    assert np.isfinite(values).all()
    assert len(expand_grid({"a": values[:50], "b": [1, 2]})) == 2 * len(values[:50])


test_random_notation, test_more_random_notation = both(NOTATIONS, check_notation)


CARDS = st.fixed_dictionaries(
    {},
    optional={
        "methods": st.dictionaries(
            st.sampled_from(["svm", "tca"]),
            st.fixed_dictionaries(
                {"_target_": st.sampled_from(["cdmer_bench.methods.svm.SVM", "os.nothing", "x"])},
                optional={"label": PLAIN, "grid": PLAIN, "parameters": PLAIN, "grids": PLAIN},
            ),
        ),
        "corpus": PLAIN,
        "tasks": PLAIN,
        "n_jobs": PLAIN,
        "solver": PLAIN,
        "backend": PLAIN,
        "results": PLAIN,
        "unknown": PLAIN,
    },
)


def check_card(content):
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from cdmer_bench.config.build import build_databases, build_method
    from cdmer_bench.config.schema import RunConfig, validate

    try:
        # As Hydra composes it: YAML is parsed into a DictConfig before the package sees it.
        given_config = OmegaConf.create(content)
    except OmegaConfBaseException:
        return
    try:
        config = validate(given_config)
        assert isinstance(config, RunConfig)
        for name, card in config.methods.items():
            assert isinstance(card, MethodCard)
            build_method(name, card, config.solver)
        build_databases(config.corpus)
    except UserError:
        return


test_random_configurations, test_more_random_configurations = both(CARDS, check_card)


def check_yaml(text):
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from cdmer_bench.config.schema import explain

    try:
        content = OmegaConf.load(io.StringIO(text))
    except YAMLError as error:
        said = explain(error)
    except (OmegaConfBaseException, OSError, AssertionError):
        return
    else:
        said = ""
    if said:
        assert "is not plain YAML" in said
        return
    plain = OmegaConf.to_container(content) if content is not None else {}
    if isinstance(plain, dict) and all(isinstance(key, str) for key in plain):
        check_card(plain)


YAML_TEXTS = st.lists(
    st.one_of(
        st.sampled_from(["methods:", "  svm:", "corpus: ", "- ", "{", "}", "[", ": ", "\n", "&a ",
                         "*a", "!!python/name:os.system", "\t", "'", '"', "|", "n_jobs: 2\n"]),
        st.text(max_size=4),
    ),
    max_size=12,
).map("".join)  # fmt: skip
test_random_yaml, test_more_random_yaml = both(YAML_TEXTS, check_yaml)


@pytest.mark.parametrize("notation", ["0:1e-9:1", "0:1:1e250", "1e400", "1:1:1e999999", "nan:1:2"])
def test_a_range_that_would_fill_the_memory_or_no_float_is_refused(notation):
    with pytest.raises(UserError, match="range"):
        parse_range(notation)
