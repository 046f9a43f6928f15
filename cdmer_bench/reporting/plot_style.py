"""The look that all pictures share, and how they are written.

Colours are those of Okabe and Ito, which people with any colour vision tell apart, always
together with a marker or a dash pattern. Areas go from white, which is zero or the least, to
dark blue, which is most.
"""

import io
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdmer_bench.errors import UserError
from cdmer_bench.io import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":")
AREA = "Blues"
FORMATS = ("svg", "pdf", "png")
# Inches: one column of a paper, and both with the gap between them.
WIDTHS = {"one": 3.5, "two": 7.16}
TWO = WIDTHS["two"]
_NARROW = 5.0
_DPI = 150.0


@contextmanager
def style() -> Iterator[None]:
    """Apply the shared look inside a ``with`` block; a UserError without matplotlib."""
    try:
        from matplotlib.style import context
    except ImportError:
        raise UserError(
            "pictures need matplotlib, which is not installed; pip install matplotlib"
        ) from None
    with context(Path(__file__).with_name("pictures.mplstyle")):
        yield


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure of that size in inches; needs no display."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    # Pads in inches; the usual ones let titles of panels touch that of the figure.
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(h_pad=0.06, w_pad=0.05))


def is_narrow(width: float) -> bool:
    """Whether a picture is as wide as one column only."""
    return width < _NARROW


def line_look(index: int) -> dict[str, Any]:
    """Return colour, marker and dashes of the line with that index, distinct for 32 lines."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index // len(COLOURS) % len(DASHES)],
    }


def log_scale(axes: "Axes") -> None:
    """Make the x-axis logarithmic, its ticks written as plain numbers."""
    from matplotlib.ticker import LogFormatter

    class Plain(LogFormatter):
        """Number where LogFormatter writes one, but without its powers of ten."""

        def __call__(self, value: float, position: int | None = None) -> str:
            return f"{value:g}" if super().__call__(value, position) else ""

    axes.set_xscale("log")
    # Ticks within a decade are shorter by 1.5 points; so all numbers stand on one line.
    axes.tick_params(axis="x", which="minor", pad=5.0)
    # The usual labels are mathematical markup, which the shared style does not read.
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    # Within one decade ticks between its ends are labelled as well.
    axes.xaxis.set_minor_formatter(Plain(minor_thresholds=(1, 0.4)))


def readable_on(value: float) -> str:
    """Return black or white, whichever has more contrast on the area colour of 0 to 1."""
    # The contrast is nowhere below 4.5, which WCAG 2 asks of small text.
    return "black" if value < 0.713 else "white"


def short(label: str, most: int = 24) -> str:
    """Return a label of the user's own cut to what a legend or an axis has room for."""
    flat = " ".join(label.split())
    return flat if len(flat) <= most else flat[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def lines(label: str, width: int, most: int = 2) -> str:
    """Break a label of the user's own into at most so many lines, and cut what is left over."""
    flat = " ".join(label.split())
    wrapped = textwrap.wrap(flat, width, max_lines=most, placeholder="\N{HORIZONTAL ELLIPSIS}")
    return "\n".join(wrapped)


def labelled(figure: "Figure", title: str, synthetic: bool, *remarks: str) -> "Figure":
    """Write a title, broken to the width, and below the picture what a reader must know.

    Generated databases are marked in a line above the title.
    """
    wrapped = textwrap.fill(title, int(12.5 * figure.get_figwidth()))
    figure.suptitle(f"\n{wrapped}" if synthetic else wrapped)
    if synthetic:
        figure.text(0.995, 0.995, "SYNTHETIC DATA", ha="right", va="top", color="#B00020", size=7)
    # About 17.5 characters of this size go into an inch.
    if text := " ".join(sentence for sentence in remarks if sentence):
        wrapped = textwrap.fill(text, int(17.5 * figure.get_figwidth()))
        figure.supxlabel(wrapped, size=6.5, x=0.01, ha="left", color="#555555")
    return figure


def to_bytes(draw: Callable[[], "Figure"], format: str = "svg", dpi: float = _DPI) -> bytes:
    """Draw a picture in the shared style, as ``svg``, ``png`` or ``pdf``."""
    file = io.BytesIO()
    with style(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(format)
        figure = draw()
        if engine := figure.get_layout_engine():
            # The layout is fixed here, or matplotlib would draw the whole figure twice.
            figure.set_dpi(dpi)
            engine.execute(figure)
            figure.set_layout_engine(None)
        figure.savefig(file, format=format, dpi=dpi, metadata=metadata)
    lacking: dict[str, None] = {}
    for warning in caught:
        # Once for all letters, not once for each.
        if character := re.match(r"Glyph (\d+) .* missing from font", str(warning.message)):
            lacking[chr(int(character[1]))] = None
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    if lacking:
        warnings.warn(
            f"DejaVu Sans, the font of the pictures, lacks {''.join(lacking)}; boxes stand for "
            "these characters",
            stacklevel=2,
        )
    return file.getvalue()


def save(draw: Callable[[], "Figure"], path: str | Path, dpi: float = _DPI) -> Path:
    """Draw a picture into a file whose ending says the format: ``.svg``, ``.png`` or ``.pdf``."""
    path = Path(path)
    format = path.suffix.removeprefix(".").lower()
    if format not in FORMATS:
        raise UserError(f"{path} ends in {path.suffix!r}; pictures are .svg, .png or .pdf")
    write_atomically(path, to_bytes(draw, format, dpi))
    return path
