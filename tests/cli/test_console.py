import io
import os
import subprocess
import sys

import pytest

from cdmer_bench.cli.console import ProgressBar, clock, write_plainly


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (42.4, "0:42"), (725, "12:05"), (3723, "1:02:03")]
)
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_time_left_is_told_from_the_cost_of_steps(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    bar = ProgressBar("task", 0, "settings", every=1.0)
    bar.extend(600, "quick", 0.01)  # 6 s
    bar.extend(20, "slow", 5.0)  # 100 s
    now[0] = 12.0
    bar.advance(600, 0.01)
    # The 6 s took 12, so the 100 s will take 200; by number of settings it would be 0.4 s.
    assert "slow: 600/620 settings (50.0/s), 03:20 left" in capsys.readouterr().err
    now[0] = 212.0
    bar.advance(20, 5.0)
    assert "slow: 620/620 settings (2.9/s), 00:00 left" in capsys.readouterr().err


def test_a_bar_without_weights_counts_steps(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    bar = ProgressBar("SMIC-HS", 100, "clips", every=1.0)
    now[0] = 10.0
    bar.advance(25)
    assert "SMIC-HS: 25/100 clips (2.5/s), 00:30 left" in capsys.readouterr().err


def test_no_time_left_is_told_from_the_first_steps_alone(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    bar = ProgressBar("task", 1000, "settings", every=1.0)
    now[0] = 20.0
    bar.advance(1)
    assert "task: 1/1,000 settings (0.1/s), ? left" in capsys.readouterr().err
    now[0] = 61.0
    bar.advance(1)
    assert "task: 2/1,000 settings (0.0/s), 8:27:19 left" in capsys.readouterr().err
    bar = ProgressBar("task", 1000, "settings", every=1.0)
    now[0] = 63.0
    bar.advance(10)
    assert "task: 10/1,000 settings (5.0/s), 03:18 left" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "gbk"])
def test_characters_that_a_console_lacks_fall_back_at_the_same_width(monkeypatch, encoding):
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding=encoding)
    monkeypatch.setattr("sys.stdout", stream)
    write_plainly()
    print("H → V, 0.5 × λ, Pietikäinen, 中文, 漢x\U0001f600")
    stream.flush()
    text = written.getvalue().decode(encoding)
    assert len(text.strip()) == len("H → V, 0.5 × λ, Pietikäinen, 中文, 漢x?")
    if encoding == "ascii":
        assert text.strip() == "H > V, 0.5 x l, Pietikainen, ??, ?x?"


SEVERAL = """
from cdmer_bench.cli.main import main
for words in ("list tasks", "audit"):
    assert main(words.split()) == 0
    print("ended", words)
main(["run", "--help"])
"""


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437"])
def test_commands_end_well_on_a_console_that_lacks_characters(encoding):
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    said = done.stdout.decode(encoding)
    tasks, rest = said.split("ended list tasks")
    audit, rest = rest.split("ended audit")
    assert "smic_vis > smic_nir" in tasks
    assert "Table IV" in audit
    assert "usage: cdmer run" in rest


@pytest.mark.parametrize("encoding", ["ascii", "cp437"])
def test_a_run_prints_its_table_on_a_console_that_lacks_characters(corpus, encoding):
    words, environment = corpus.command(
        "run", *corpus.arguments("method=svm", "task=red/green"), PYTHONIOENCODING=encoding
    )
    done = subprocess.run(words, capture_output=True, check=True, env=environment)
    assert b"R > G" in done.stdout
