"""Mistakes in the words of a command are one sentence that names what was nearest."""

import pytest

from cdmer_bench.cli import COMMANDS, CONFIGURED
from cdmer_bench.cli.main import command_parser

MISTAKES = [
    ("tables --fromat md", "--fromat is no option of `cdmer tables`", "'--format'"),
    ("tables --format mdd", "'mdd' is not a choice for --format of `cdmer tables`", "'md'"),
    ("tables 8", "'8' is not a choice for `cdmer tables`", "3, 4, 5, 6, 7, all"),
    ("list method", "'method' is not a choice for `cdmer list`", "'methods'"),
    ("plot region", "'region' is not a choice for `cdmer plot`", "'regions'"),
    ("report --resuls=x", "--resuls is no option of `cdmer report`", "'--results'"),
    ("check metod svm", "'metod' is not a choice for `cdmer check`", "'method'"),
    ("check method", "required: name", "`cdmer check --help`"),
    ("data fetch relesed", "'relesed' is not a choice for `cdmer data fetch`", "'released'"),
    ("data chek", "'chek'", "'check'"),
    ("data synthesize", "required: --out", "`cdmer data synthesize --help`"),
    ("data synthesize --out x --seed two", "--seed", "'two'"),
    ("completion bsh", "'bsh' is not a choice for `cdmer completion`", "'bash'"),
    ("doctor now", "now", "`cdmer doctor --help`"),
    ("run --cgf job", "--cgf is no flag of `cdmer run`", "'--cfg'"),
    ("run --cfg job -m", "--multirun and --cfg exclude each other", "give one of them"),
    ("run --resolve method=svm", "--resolve says how --cfg shows", "--cfg job --resolve"),
    ("run method=null", "must be a string or a list", "`cdmer run --cfg job`"),
    ("run -m method=svm,null", "must be a string or a list", "`cdmer run --cfg job`"),
    ("run --experimental-rerun old.pickle", "old.pickle is no file", "config.pickle"),
    ("run =3", "must be a string or a list", "`cdmer run --cfg job`"),
    ("run svm", "'svm' is no override", "method=tca"),
    ("check method svm exact", "'exact' is no override", "KEY=VALUE"),
    ("run methods=svm", "methods is 'svm'", "give method=svm"),
    ("run metod=svm", "metod is not a key", "did you mean 'method'"),
    ("run only={tca:[given]}", "only.tca is not a key", "+only.tca=VALUE"),
    ("run solver=exat", "solver is 'exat'", "'exact'"),
    ("run --config-dir my_cnf", "my_cnf is not a folder", "did you mean 'my_conf'"),
    ("check method svm --config-dir my_cnf", "my_cnf is not a folder", "'my_conf'"),
    ("tables --results resuls", "resuls holds no finished cell", "did you mean 'results'"),
    ("results merge resuls --into x", "resuls holds no cells", "did you mean 'results'"),
    ("report results.dir=x", "results.dir is a key of `cdmer run`", "--results x"),
    ("--versio", "'--versio' is not a command", "'--version'"),
]


@pytest.mark.parametrize(("line", "found", "hint"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_one_sentence_with_the_nearest_name(
    line, found, hint, cdmer, tmp_path, monkeypatch
):
    (tmp_path / "my_conf").mkdir()
    (tmp_path / "results").mkdir()
    monkeypatch.chdir(tmp_path)
    code, out, err = cdmer(*line.split())
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert found in err
    assert hint in err


def test_a_missing_feature_file_names_the_one_beside_it(corpus, cdmer):
    (corpus.folder / "green.npz").rename(corpus.folder / "gren.npz")
    code, _, err = cdmer("run", *corpus.arguments("method=svm", "task=red/green"))
    assert code == 2
    assert "green.npz does not exist; did you mean 'gren.npz'" in err


def test_options_may_be_shortened_and_values_may_be_negative():
    parser = command_parser("data synthesize")
    options = parser.parse_intermixed_args(["--out", "x", "--n-j", "-1", "--seed=-3"])
    assert (options.n_jobs, options.seed) == (-1, -3)


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - set(CONFIGURED)))
def test_every_command_explains_its_arguments(name, cdmer):
    code, out, err = cdmer(*name.split(), "--help")
    assert (code, err) == (0, "")
    assert f"usage: cdmer {name}" in out
    parser = command_parser(name)
    assert parser.description
    assert [a.dest for a in parser._actions if not a.help] == []


@pytest.mark.parametrize("first", ["data", "results"])
@pytest.mark.parametrize("flag", [(), ("--help",)])
def test_a_command_of_two_words_lists_its_second_ones(first, flag, cdmer):
    code, out, err = cdmer(first, *flag)
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: cdmer {first} ACTION")
    for name in COMMANDS:
        assert (f"  {name} " in out) == name.startswith(f"{first} ")


@pytest.mark.parametrize("command", ["run", "extract"])
def test_the_help_of_a_run_lists_choices_of_the_users_own(command, corpus, cdmer):
    code, out, _ = cdmer(command, "--config-dir", "my_conf", "--help")
    assert code == 0
    assert out.startswith("usage: cdmer run")
    assert "corpus: clips, frames, frames_extended, matfiles, released, small, synthetic" in out
    assert max(map(len, out.splitlines())) < 400  # the lists of choices are the longest lines


def test_the_keys_in_the_help_of_a_run_are_accepted(cdmer):
    _, out, _ = cdmer("run", "--help")
    keys = out.partition("Keys used most:")[2].partition("Flags used most:")[0]
    words = [line.split()[0] for line in keys.splitlines() if line.strip()]
    assert len(words) > 10
    given = [word.replace("=DIR", "=somewhere") for word in words]
    chosen = ["method=tca", "descriptor=hog_top_p8", "corpus=frames", "task=exp05", "--cfg", "job"]
    code, out, err = cdmer("run", *chosen, *(word for word in given if word != "grid=reduced"))
    assert code == 0, err
    assert "dry_run: true" in out


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - set(CONFIGURED)))
def test_every_command_takes_a_folder_of_configuration(name):
    assert "--config-dir" in command_parser(name)._option_string_actions
