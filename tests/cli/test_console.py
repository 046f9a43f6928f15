import pytest

from cdmer_bench.cli import console
from cdmer_bench.cli.console import ProgressBar, clock


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (42.4, "0:42"), (725, "12:05"), (3723, "1:02:03")]
)
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_time_left_is_told_from_the_cost_of_steps(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    bar = ProgressBar("task", 0, "settings", every=1.0)
    bar.extend(600, "quick", 0.01)  # 6 s
    bar.extend(20, "slow", 5.0)  # 100 s
    now[0] = 12.0
    bar.advance(600, 0.01)
    # The 6 s took 12, so the 100 s will take 200; by number of settings it would be 0.4 s.
    assert "600/620 settings  50.0/s  3:20 left  slow" in capsys.readouterr().err
    now[0] = 212.0
    bar.advance(20, 5.0)
    assert "620/620 settings  2.9/s  0:00 left" in capsys.readouterr().err


def test_a_bar_without_weights_counts_steps(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    bar = ProgressBar("SMIC-HS", 100, "clips", every=1.0)
    now[0] = 10.0
    bar.advance(25)
    assert "25/100 clips  2.5/s  0:30 left  SMIC-HS" in capsys.readouterr().err


def test_no_time_left_is_told_from_the_first_steps_alone(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    bar = ProgressBar("task", 1000, "settings", every=1.0)
    now[0] = 20.0
    bar.advance(1)
    assert "1/1,000 settings  0.1/s  ? left" in capsys.readouterr().err
    now[0] = 61.0
    bar.advance(1)
    assert "2/1,000 settings  0.0/s  8:27:19 left" in capsys.readouterr().err
    bar = ProgressBar("task", 1000, "settings", every=1.0)
    now[0] = 63.0
    bar.advance(10)
    assert "10/1,000 settings  5.0/s  3:18 left" in capsys.readouterr().err
