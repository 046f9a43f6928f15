"""What Tab offers: commands, options, groups, pairs of databases, parameters of methods."""

import subprocess
import sys

import pytest
from hydra._internal.utils import get_args_parser

from cdmer_bench.cli.completion import FLAGS, SHELLS, choices
from cdmer_bench.cli.main import command_parser
from cdmer_bench.cli.plot import DRAWN

FILTERS = ["corpus=", "task=", "method=", "descriptor="]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cdmer ru", ["run"]),
        ("cdmer run method=tk", ["method=tkl"]),
        ("cdmer run method=tca,gf", ["method=tca,gfk"]),
        ("cdmer run task=type", ["task=type1", "task=type2"]),
        ("cdmer list me", ["methods"]),
        ("cdmer plot ran", ["ranks"]),
        ("cdmer run n_j", ["n_jobs="]),
        ("cdmer run --cf", ["--cfg"]),
        ("cdmer plot ", [*DRAWN, *FILTERS]),
        ("cdmer plot plane --ou", ["--out"]),
        ("cdmer plot plane ", [*DRAWN[:-1], *FILTERS]),
        ("cdmer tables --format t", ["text", "tex"]),
        ("cdmer tables --format tex al", ["all"]),
        ("cdmer check method tk", ["tkl"]),
        ("cdmer check method tkl sol", ["solver="]),
        ("cdmer da", ["data"]),
        ("cdmer data ", ["fetch", "check", "clips", "synthesize"]),
        ("cdmer data s", ["synthesize"]),
        ("cdmer results m", ["merge"]),
        ("cdmer data check corpus=fr", ["corpus=frames", "corpus=frames_extended"]),
        ("cdmer data fetch ", ["released"]),
        ("cdmer data check --q", ["--quick"]),
        ("cdmer data nothing ", []),
        ("cdmer nothing ", []),
    ],
)
def test_completion_of_commands_and_overrides(line, expected):
    assert choices(line, command_parser) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cdmer run task=casme2/", ["smic_hs", "smic_vis", "smic_nir"]),
        ("cdmer run corpus=frames task=casme2/smic_h", ["smic_hs"]),
        ("cdmer run task=exp05,smic_nir/c", ["casme2"]),
    ],
)
def test_pairs_of_databases(line, expected):
    start = line.split()[-1].rpartition("/")[0]
    assert choices(line, command_parser) == [f"{start}/{name}" for name in expected]


def test_the_parameters_and_the_grid_of_a_method():
    found = choices("cdmer run method=tca methods.tca.", command_parser)
    assert {"methods.tca.parameters.mu=", "methods.tca.grid.k="} <= set(found)
    assert choices("cdmer run method=tca methods.tca.parameters.C", command_parser) == [
        "methods.tca.parameters.C="
    ]


def test_no_word_is_offered_twice():
    assert choices("cdmer run method=tca,gfk,tca", command_parser) == []
    assert "method=tca,tca" not in choices("cdmer run method=tca,t", command_parser)
    for line in ("cdmer run ", "cdmer run method=", "cdmer tables ", "cdmer plot scores "):
        found = choices(line, command_parser)
        assert len(found) == len(set(found)) > 3


def test_names_in_a_folder_of_ones_own(corpus):
    own = f"--config-dir {corpus.folder / 'my_conf'}"
    assert choices(f"cdmer run {own} corpus=sm", command_parser) == ["corpus=small"]
    found = choices(f"cdmer run {own} corpus=small task=red/", command_parser)
    assert found == ["task=red/green", "task=red/blue"]


def test_the_flags_are_those_of_hydra():
    assert set(FLAGS) == {f for f in get_args_parser()._option_string_actions if f.startswith("--")}


def test_completion_imports_nothing_heavy():
    script = (
        "import os, sys; os.environ['_CDMER_COMPLETE'] = '1'; "
        "os.environ['COMP_LINE'] = 'cdmer run method=tca methods.tca.'; "
        "from cdmer_bench.cli.main import main; main([]); "
        "print(*({m.partition('.')[0] for m in sys.modules} & "
        "{'numpy', 'hydra', 'omegaconf', 'sklearn', 'scipy', 'pandas'}))"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1].strip() == ""
    assert "methods.tca.parameters.mu=" in out.stdout


def test_the_shell_keeps_its_settings(cdmer):
    for shell in SHELLS:
        _, out, _ = cdmer("completion", shell)
        assert "COMP_WORDBREAKS=" not in out.replace("$COMP_WORDBREAKS", "")


def test_bash_completes_behind_an_equals_sign():
    command = f"{sys.executable} -m cdmer_bench"
    script = (
        f'eval "$({command} completion bash)"; fake() {{ {command}; }}; '
        'COMP_LINE="cdmer run method=tk"; COMP_POINT=${#COMP_LINE}; _cdmer_complete fake; '
        'echo "${COMPREPLY[*]}"'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["tkl"]
