"""Every picture can be read, fits its place, says what is synthetic and is the same again."""

import re
import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure
from matplotlib.text import Text

from cdmer_bench.errors import UserError
from cdmer_bench.reporting import MissingCell, build_table
from cdmer_bench.reporting.plot_cells import (
    confusion_picture,
    parameter_picture,
    region_picture,
)
from cdmer_bench.reporting.plot_scores import (
    budget_picture,
    rank_picture,
    score_map,
    time_picture,
)
from cdmer_bench.reporting.plot_style import AREA, WIDTHS, readable_on, save, to_bytes
from tests.reporting.pictures import compared, flat, grid, texts
from tests.reporting.records import record

pytestmark = pytest.mark.usefixtures("shared_style")


def test_no_text_leaves_the_picture_or_meets_the_mark(tmp_path):
    label = "a method with a name that is far too long for any legend"
    records = [
        record(t, m, n, corpus="s", synthetic=True)
        for t in (5, 6)
        for m, n in (("tca", "TCA"), ("x", label))
    ]
    ranked = compared(["A", label, "B", "C", "D"], np.random.default_rng(0).random((7, 5)))
    ranked = replace(ranked, left_out=(label,))
    weights = np.arange(85.0)
    for draw in (
        lambda: parameter_picture(records[1]),
        lambda: confusion_picture(records),
        lambda: score_map(build_table("III", records, whole=False)),
        lambda: budget_picture(records),
        lambda: time_picture(records),
        lambda: rank_picture(ranked, True),
        lambda: region_picture(weights, label, synthetic=True, setting="lam = 1000, mu = 4.4"),
    ):
        figure = draw()
        figure.savefig(tmp_path / "a.png")
        shown = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
        # Numbers may be ticks outside the axes, which are not drawn; the title has the mark's line.
        words = [t for t in shown if re.search("[a-zA-Z]{2}", t.get_text())]
        boxes = {t: t.get_window_extent() for t in words if t.get_text()[0] != "\n"}
        for text, box in boxes.items():
            assert box.x0 > -2, text
            assert box.x1 < figure.bbox.x1 + 2, text
            assert box.y0 > -2, text
            assert box.y1 < figure.bbox.y1 + 2, text
        (mark,) = [t for t in shown if t.get_text() == "SYNTHETIC DATA"]
        assert not any(boxes[mark].overlaps(b) for t, b in boxes.items() if t is not mark)


def test_cells_that_failed_everywhere_are_named():
    failed = MissingCell("Exp.5", "Mine", "LBP-TOP(R3P8)", "failed: no memory")
    for draw in (budget_picture, time_picture, confusion_picture):
        shown = flat(draw([record(5)], missing=[failed]))
        assert "Dotted" not in shown
        assert "No result: Mine (all tasks)." in shown
    own = score_map(build_table("III", [record(5)], missing=[failed], whole=False))
    assert "failed: no memory" in flat(own)


def luminance(colour):
    parts = np.array(colour[:3])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_numbers_on_areas_can_be_read():
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    for value in np.linspace(0, 1, 201):
        pair = luminance(colormaps[AREA](value)), luminance(to_rgb(readable_on(value)))
        assert (max(pair) + 0.05) / (min(pair) + 0.05) >= 4.5


def test_letters_that_the_font_lacks_are_told_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        to_bytes(partial(parameter_picture, record(5, "x", "\u6700\u8fd1 mean")))
    (told,) = [str(warning.message) for warning in caught]
    assert "lacks \u6700\u8fd1; boxes stand for these characters" in told


def test_ticks_are_plain_numbers():
    made = grid(["lam"], [(10.0**i,) for i in range(-3, 3)])
    figure = parameter_picture(made)
    to_bytes(lambda: figure)
    assert {"0.001", "0.1", "100"} <= set(texts(figure))
    assert not any("$" in text for text in texts(figure))
    # Within a decade, where there may be no power of ten to label.
    close = [record(5, about={"seconds": s}, key=str(s)) for s in (2.0, 5.5)]
    figure = time_picture(close)
    to_bytes(lambda: figure)
    assert {"3", "4"} <= set(texts(figure))
    quick = [record(5, about={"seconds": s}, key=str(s)) for s in (0.2, 0.55)]
    figure = time_picture(quick)
    to_bytes(lambda: figure)
    assert {"0.3", "0.4"} <= set(texts(figure))
    assert not any("$" in text for text in texts(figure))


def test_synthetic_pictures_say_so():
    made = record(5, corpus="synthetic", synthetic=True)
    for figure in (
        parameter_picture(made),
        confusion_picture([made]),
        score_map(build_table("III", [made])),
        budget_picture([made]),
        time_picture([made]),
        region_picture(np.ones(85), "x", synthetic=True),
    ):
        assert "SYNTHETIC DATA" in texts(figure)


def test_one_generated_cell_marks_every_picture_of_several():
    mixed = [record(5, synthetic=True, corpus="s"), record(6, corpus="s")]
    tables = [build_table("III", mixed[1:]), build_table("III", mixed[:1])]
    for figure in (
        confusion_picture(mixed),
        budget_picture(mixed),
        time_picture(mixed),
        score_map(*tables),
    ):
        assert "SYNTHETIC DATA" in texts(figure)


def test_same_picture_same_bytes_and_dollars_are_text(tmp_path):
    made = record(5, "x", "cost $1_a$ {")
    draw = partial(parameter_picture, made)
    assert to_bytes(draw) == to_bytes(draw)
    assert save(draw, tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UserError, match=r"ends in '\.bmp'"):
        save(draw, tmp_path / "a.bmp")


@pytest.mark.parametrize("format", ["svg", "png"])
def test_picture_is_drawn_once(monkeypatch, format):
    drawn = []
    draw = Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda self, *a: drawn.append(self) or draw(self, *a))
    to_bytes(partial(parameter_picture, record(5)), format)
    assert len(drawn) == 1


@pytest.mark.parametrize(("width", "inches"), [("one", 3.5), ("two", 7.16)])
def test_pictures_are_as_wide_as_columns_of_a_paper(width, inches, tmp_path):
    from PIL import Image

    made = [record(t, m, m.upper()) for t in (5, 6) for m in ("tca", "sa")]
    for draw in (
        partial(budget_picture, made),
        partial(time_picture, made),
        partial(confusion_picture, made),
        partial(parameter_picture, made[0]),
        partial(score_map, build_table("III", made, whole=False)),
        partial(region_picture, np.ones(85), "x"),
    ):
        path = save(partial(draw, width=WIDTHS[width]), tmp_path / "a.png", dpi=100)
        assert Image.open(path).size[0] == round(100 * inches)
