"""What the command line shows: lines, errors, one progress bar."""

import os
import shutil
import sys
import time
from types import TracebackType

from cdmer_bench.io import visible

_BARS = " ▏▎▍▌▋▊▉█"


def say(line: str) -> None:
    """Print a line for the user on standard error, leaving results alone on standard output."""
    clear = "\r\033[K" if sys.stderr.isatty() else ""
    print(f"{clear}{visible(line)}", file=sys.stderr, flush=True)


def bold_wanted() -> bool:
    """Whether standard output is a terminal that shows bold text."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


# The first steps are no measure of the others: share of the work, or else seconds, after which the
# time left is told.
_TELLING, _EARLY = 0.01, 60.0


class ProgressBar:
    """Steps done, rate and time left, on one line of standard error.

    Where standard error is no terminal, a plain line every ``every`` seconds.

    Parameters
    ----------
    title
    total
        Number of steps; more may be added by :meth:`extend`.
    unit
        What a step is, such as ``settings``.
    every
        Seconds between lines without a terminal.
    """

    def __init__(self, title: str, total: int, unit: str = "settings", every: float = 15.0) -> None:
        self.title, self.total, self.unit, self.every = title, total, unit, every
        self.done = 0
        self.work, self.work_done = float(total), 0.0
        self.started = time.monotonic()
        self.shown = self.started
        self.terminal = sys.stderr.isatty()

    def extend(self, steps: int, title: str, weight: float = 1.0) -> None:
        """Add steps to the total; ``title`` says what they belong to.

        ``weight`` is what one of them costs, in any unit that all steps share: the time left is
        told from the cost, not from the number of steps.
        """
        self.total += steps
        self.work += steps * weight
        self.title = title
        self._show()

    def advance(self, steps: int, weight: float = 1.0) -> None:
        """Count steps as done."""
        self.done += steps
        self.work_done += steps * weight
        self._show()

    def close(self) -> None:
        """End the bar with a line that says how long it took."""
        seconds = time.monotonic() - self.started
        rate = self.done / seconds if seconds > 0 else 0.0
        say(
            f"{self.done:,} of {self.total:,} {self.unit} in {clock(seconds)} "
            f"({rate:,.1f} {self.unit}/s)"
        )

    def _show(self) -> None:
        now = time.monotonic()
        if now - self.shown < (0.1 if self.terminal else self.every):
            return
        self.shown = now
        rate = self.done / (now - self.started)
        left = self._time_left(now - self.started)
        text = f"{self.done:,}/{self.total:,} {self.unit}  {rate:,.1f}/s  {left} left  {self.title}"
        if not self.terminal:
            say(text)
            return
        width = shutil.get_terminal_size().columns - 1
        eighths = round(160 * self.work_done / self.work) if self.work > 0 else 0
        bar = (_BARS[8] * (eighths // 8) + _BARS[eighths % 8]).ljust(20)[:20]
        sys.stderr.write(f"\r\033[K{f'▕{bar}▏ {text}'[:width]}")
        sys.stderr.flush()

    def _time_left(self, seconds: float) -> str:
        early = self.work_done < _TELLING * self.work and seconds < _EARLY
        if early or self.work_done == 0:
            return "?"
        return clock((self.work - self.work_done) * seconds / self.work_done)

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_settings_bar(title: str, total: int) -> ProgressBar:
    """Open the bar of cells that run."""
    return ProgressBar(title, total, "settings")


def open_clips_bar(title: str, total: int) -> ProgressBar:
    """Open the bar of a database whose descriptors are extracted, and say so."""
    say(f"extracting {title}: {total} clips")
    return ProgressBar(title, total, "clips")


def open_steps_bar(title: str, total: int) -> ProgressBar:
    """Open the bar of a network that is tuned, and say so."""
    say(f"fine-tuning {title}: {total} steps")
    return ProgressBar(title, total, "steps")


def clock(seconds: float) -> str:
    """Return a duration as ``0:42``, ``12:05`` or ``1:02:03``."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
