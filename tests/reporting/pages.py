"""Reading the report's page in tests, and the records that most of them report on."""

import html
import json
import re
from html.parser import HTMLParser

import numpy as np
from sklearn.metrics import f1_score

from tests.reporting.records import record

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Outline(HTMLParser):
    """Check that tags nest, and collect tags and addresses."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.addresses = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "action", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def records(**changes):
    names = (("svm", "Baseline"), ("tca", "TCA"), ("sa", "SA"))
    return [record(task, *name, **changes) for task in (1, 2, 5) for name in names]


def wrong_on(task, n, label, **changes):
    """A record of one setting that has the first clips of the target wrong."""
    y = record(task).y_target
    prediction = y.copy()
    prediction[:n] = (y[:n] + 1) % 3
    return record(task, label.lower(), label, predictions=prediction[None], **changes)


def best_prediction(made):
    scores = [f1_score(made.y_target, p, average="macro") for p in made.predictions]
    return made.predictions[int(np.argmax(scores))]


def section(page, name):
    start = page.index(f'<section id="{name}">')
    return html.unescape(page[start : page.index("</section>", start)])


def first_screen(page):
    return section(page, "answer").split('<details class="run">')[0]


def embedded(page):
    text = re.search(r'id="data">(.*?)</script>', page, re.DOTALL).group(1)
    return json.loads(text)


def rows_of(text, opening):
    """Return the cells of each row of the first table after some text, by the row's name."""
    table = text[text.index(opening) :]
    table = table[: table.index("</table>")]
    found = {}
    for name, rest in re.findall(r'<th scope="row">([^<]*)</th>(.*?)</tr>', table, re.DOTALL):
        found[name] = [
            re.sub("<[^>]*>", "", cell).strip()
            for cell in re.findall(r"<td[^>]*>(.*?)</td>", rest, re.DOTALL)
        ]
    return found
