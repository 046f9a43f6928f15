"""What the command line shows: lines, errors, one progress bar."""

import codecs
import os
import sys
import unicodedata

from cdmer_bench.io import visible
from cdmer_bench.parallel import Progress

_PLAIN = str.maketrans("→█–—•×λμµ‘’“”", ">#--*xlmu''\"\"")


def write_plainly() -> None:
    """Replace characters that the console cannot show by plain ones of the same width."""

    def plain(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeEncodeError)
        found = error.object[error.start : error.end].translate(_PLAIN)
        bases = (unicodedata.normalize("NFKD", c)[0] for c in found)
        return "".join(c if c.isascii() else "?" for c in bases), error.end

    codecs.register_error("cdmer.plain", plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure") and "utf" not in (stream.encoding or "").lower():
            stream.reconfigure(errors="cdmer.plain")


def say(line: str) -> None:
    """Print a line for the user on standard error, leaving results alone on standard output."""
    clear = "\r\033[K" if sys.stderr.isatty() else ""
    print(f"{clear}{visible(line)}", file=sys.stderr, flush=True)


def bold_wanted() -> bool:
    """Whether standard output is a terminal that shows bold text."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


class _Lines:
    """Where standard error is no terminal, a bar writes plain lines to this."""

    encoding = None

    def write(self, text: str) -> None:
        if line := text.strip():
            say(line)

    def flush(self) -> None: ...


class ProgressBar(Progress):
    """Steps done, rate and time left, on one line of standard error."""

    def __init__(self, title: str, total: int, unit: str = "settings", every: float = 15.0) -> None:
        from tqdm.std import tqdm

        self.title, self.total, self.unit, self.done = title, total, unit, 0
        terminal = sys.stderr.isatty()
        self.shape = "{bar:20} {desc}, {remaining} left" if terminal else "{desc}, {remaining} left"
        tqdm.monitor_interval = 0  # no thread beside the workers
        self.bar = tqdm(
            total=float(total),
            file=sys.stderr if terminal else _Lines(),
            mininterval=0.1 if terminal else every,
            delay=0.1 if terminal else every,
            miniters=0,
            smoothing=0,
            leave=False,
            dynamic_ncols=True,
        )

    def extend(self, steps: int, title: str, weight: float = 1.0) -> None:
        """Add steps of ``title`` to the total; ``weight`` is what one costs, for the time left."""
        self.total += steps
        self.bar.total += steps * weight
        self.title = title
        self.advance(0, weight)

    def advance(self, steps: int, weight: float = 1.0) -> None:
        """Count steps as done."""
        self.done += steps
        seconds = self.bar.format_dict["elapsed"]
        # The first steps do not tell how long the others take.
        early = self.bar.n + steps * weight < 0.01 * self.bar.total and seconds < 60
        self.bar.bar_format = self.shape.replace("{remaining}", "?") if early else self.shape
        rate = f"{self.done / seconds:,.1f}/s" if seconds > 0 else "?/s"
        text = f"{self.done:,}/{self.total:,} {self.unit} ({rate})"
        self.bar.set_description_str(f"{self.title}: {text}" if self.title else text, refresh=False)
        self.bar.update(steps * weight)

    def close(self) -> None:
        """End the bar with a line that says how long it took."""
        seconds = self.bar.format_dict["elapsed"]
        self.bar.close()
        rate = self.done / seconds if seconds > 0 else 0.0
        say(
            f"{self.done:,} of {self.total:,} {self.unit} in {clock(seconds)} "
            f"({rate:,.1f} {self.unit}/s)"
        )


def open_said_bar(what: str, unit: str, title: str, total: int) -> ProgressBar:
    """Print a line such as ``extracting SMIC-VIS: 71 clips``, and open a bar for it."""
    say(f"{what} {title}: {total} {unit}")
    return ProgressBar(title, total, unit)


def clock(seconds: float) -> str:
    """Return a duration as ``0:42``, ``12:05`` or ``1:02:03``."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
