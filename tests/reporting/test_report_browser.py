"""The report in headless Chromium: it loads, sorts, prints, fits a phone and can be read."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from cdmer_bench.evaluation import mean_f1
from cdmer_bench.reporting import MissingCell
from cdmer_bench.reporting.html_report import build_report
from tests.reporting.records import record

pytest.importorskip("matplotlib")

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=20000",
)
# The report stands in a frame as wide as a screen and in one as wide as a phone.
STAGE = """<!DOCTYPE html><meta charset="utf-8">
<iframe id="wide" width="1280" height="900" srcdoc="{page}"></iframe>
<iframe id="phone" width="390" height="800" srcdoc="{page}"></iframe>
<pre id="found"></pre>
<script>
addEventListener("load", () => {{
  const wide = document.getElementById("wide").contentWindow;
  const phone = document.getElementById("phone").contentWindow;
  const found = {{}};
  {probes}
  document.getElementById("found").textContent = JSON.stringify(found);
}});
</script>"""
PROBES = r"""
  const all = (frame, selector) => Array.from(frame.document.querySelectorAll(selector));
  const named = (figure, caption) =>
    figure.querySelector("figcaption").textContent.startsWith(caption);
  const table = caption =>
    all(wide, "figure").find(f => named(f, caption)).querySelector("table");
  const press = (caption, column) => {
    const head = table(caption).tHead.rows[0].cells[column];
    head.querySelector("button").click();
    const rows = Array.from(table(caption).tBodies[0].rows);
    return {sorted: head.getAttribute("aria-sort"), names: rows.map(r => r.cells[0].textContent),
      values: rows.map(r => r.cells[column].textContent.trim())};
  };
  found.results = [press("Table III", 1), press("Table III", 1)];
  found.gaps = [press("Table III", 4), press("Table III", 4)];
  found.names = [press("Table III", 0), press("Table III", 0)];
  found.mcnemar = [press("How sure", 6), press("How sure", 6)];
  found.cells = [press("How sure", 0)];
  found.sorted = all(wide, "th[aria-sort]").length;
  found.buttons = all(wide, "table.sortable thead th").map(h => h.children[0].tagName);
  found.dead = all(wide, "a").map(a => a.getAttribute("href"))
    .filter(a => !a.startsWith("#") || !wide.document.getElementById(a.slice(1)));
  found.images = all(wide, "img").map(i => [i.naturalWidth > 0, i.alt.length > 10]);
  found.widths = [wide, phone].map(f => [f.document.documentElement.scrollWidth, f.innerWidth]);
  wide.dispatchEvent(new wide.Event("beforeprint"));
  phone.dispatchEvent(new phone.Event("beforeprint"));
  found.open = all(wide, "details").map(d => d.open);
  found.widthsOpen = [wide, phone].map(f => [f.document.documentElement.scrollWidth, f.innerWidth]);

  // Contrast as WCAG 2 defines it, of each text against the backgrounds that lie behind it.
  const channels = text => text.match(/[\d.]+/g).map(Number);
  const over = (front, back) => {
    const a = front.length > 3 ? front[3] : 1;
    return [0, 1, 2].map(i => front[i] * a + back[i] * (1 - a));
  };
  const luminance = rgb => rgb.map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  found.contrasts = {};
  for (const element of all(wide, "body *")) {
    if (!Array.from(element.childNodes).some(n => n.nodeType === 3 && n.data.trim())) continue;
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      layers.push(channels(wide.getComputedStyle(e).backgroundColor));
    }
    const back = layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
    const ink = over(channels(wide.getComputedStyle(element).color), back);
    const pair = [luminance(ink), luminance(back)].sort((a, b) => b - a);
    const key = element.tagName + "." + element.className;
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    found.contrasts[key] = Math.min(found.contrasts[key] || 21, ratio);
  }
"""


def records():
    names = (("svm", "Baseline"), ("tca", "TCA"), ("sa", "SA"))
    made = [record(t, m, label) for t in (1, 2, 5, 10) for m, label in names]
    # Every clip right: the fullest shades of a confusion matrix.
    right = record(6).y_target[None]
    return [
        *made,
        record(4, "tca", "TCA"),
        record(6, "sa", "SA <b>", predictions=right, settings=[{"a long name": "x" * 60}]),
        record(5, "rstr", "RSTR", extras={"weights": np.arange(255.0).reshape(3, 85)}),
    ]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    if BROWSER is None:
        pytest.skip("needs a headless Chromium")
    folder = tmp_path_factory.mktemp("browser")
    missing = [MissingCell("Exp.3", "TCA", "LBP-TOP(R3P8)", "failed: " + "no_memory_" * 30)]
    page = build_report(records(), missing=missing)
    (folder / "stage.html").write_text(
        STAGE.format(page=html.escape(page), probes=PROBES), encoding="utf-8"
    )
    profile = f"--user-data-dir={folder / 'profile'}"
    done = subprocess.run(
        [BROWSER, *FLAGS, profile, "--dump-dom", (folder / "stage.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    text = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL).group(1)
    return {**json.loads(html.unescape(text)), "log": done.stderr}


def test_nothing_is_wrong_in_the_console(found):
    assert "CONSOLE" not in found["log"]


def test_scores_are_sorted_from_the_best_and_then_from_the_worst(found):
    best = {
        r.method_label: max(mean_f1(r.y_target, p, range(3)) for p in r.predictions)
        for r in records()
        if r.task == "exp01"
    }
    falling = sorted(best, key=best.get, reverse=True)
    first, second = found["results"]
    assert (first["sorted"], first["names"][:3]) == ("descending", falling)
    assert (second["sorted"], second["names"][:3]) == ("ascending", falling[::-1])


def test_what_has_no_figure_stays_last_in_both_directions(found):
    for pressed in found["gaps"]:
        assert [value == "-" for value in pressed["values"]] == [False] + [True] * 4
    for pressed, falling in zip(found["mcnemar"], (True, False), strict=True):
        given = [float(v) for v in pressed["values"] if v != "-"]
        assert pressed["values"][len(given) :] == ["-"] * (len(pressed["values"]) - len(given))
        assert given == sorted(given, reverse=falling)
        assert len(set(given)) > 2


def test_words_are_sorted_from_a_with_numbers_in_their_order(found):
    rising, falling = found["names"]
    assert rising["sorted"] == "ascending"
    assert rising["names"] == ["Baseline", "RSTR", "SA", "SA <b>", "TCA"]
    assert falling["names"] == rising["names"][::-1]
    tasks = [int(name.split(",")[0].removeprefix("Exp.")) for name in found["cells"][0]["names"]]
    assert tasks == sorted(tasks)
    assert tasks[-1] == 10
    # One column of each of the two tables is the sorted one.
    assert found["sorted"] == 2


def test_every_heading_is_a_button_for_the_keyboard(found):
    assert set(found["buttons"]) == {"BUTTON"}


def test_links_lead_somewhere_and_pictures_load_with_a_text(found):
    assert found["dead"] == []
    assert len(found["images"]) > 8
    assert all(loaded and described for loaded, described in found["images"])


def test_no_page_is_wider_than_its_screen(found):
    for widths in (found["widths"], found["widthsOpen"]):
        assert [inner for _, inner in widths] == [1280, 390]
        assert all(scroll <= inner for scroll, inner in widths)


def test_printing_unfolds_what_is_folded(found):
    assert len(found["open"]) > 5
    assert all(found["open"])


def test_every_text_can_be_read(found):
    assert {"TD.", "SMALL.", "A."} <= set(found["contrasts"])
    assert {key: ratio for key, ratio in found["contrasts"].items() if ratio < 4.5} == {}
