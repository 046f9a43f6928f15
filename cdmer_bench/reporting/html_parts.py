"""Pieces of HTML; every text passes :func:`html.escape` here."""

import base64
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from cdmer_bench.reporting.plot_style import to_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A cell is a text, or a text and the number that it is sorted by.
Entry = str | tuple[str, float]


def entry_table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[Entry]], words: Iterable[int] = ()
) -> str:
    """Return a sortable table; columns in ``words`` hold sentences and may wrap.

    Columns without a number stand at the left, as the first does anyway.
    """
    rows, wrapping = list(rows), set(words)
    attributes = [
        ' class="words"' if i in wrapping else ' class="text"' if _is_text(rows, i) else ""
        for i in range(len(heads))
    ]
    head = "".join(
        f'<th scope="col"{a}>{escape(h)}</th>' for h, a in zip(heads, attributes, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(_entry(e, attributes[i], first=i == 0) for i, e in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return (
        f"<figure><figcaption>{escape(caption)}</figcaption>"
        f'<div class="scroll"><table class="sortable"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></figure>\n"
    )


def _is_text(rows: Sequence[Sequence[Entry]], column: int) -> bool:
    """Whether a column after the first holds words, and no number."""
    entries = [row[column] for row in rows]
    numbers = any(isinstance(entry, tuple) for entry in entries)
    return column > 0 and not numbers and any(entry != "-" for entry in entries)


def _entry(entry: Entry, attributes: str, first: bool) -> str:
    text, number = entry if isinstance(entry, tuple) else (entry, None)
    attributes += "" if number is None else f' data-sort="{number:.8g}"'
    if first:
        return f'<th scope="row"{attributes}>{escape(text)}</th>'
    return f"<td{attributes}>{escape(text)}</td>"


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a list of names and values."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return f'<dl class="facts">{items}</dl>\n'


def details(title: str, content: str) -> str:
    """Return content that is folded until it is asked for; printing unfolds it."""
    return f"<details><summary>{escape(title)}</summary>\n{content}</details>\n"


def notes(lines: Iterable[str]) -> str:
    """Return small print as a list."""
    return f'<ul class="notes">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>\n'


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph, with a class if ``kind`` is given."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{escape(text)}</p>\n"


def picture(draw: Callable[[], "Figure"], alternative: str, wide: bool = False) -> str:
    """Return a drawing as an image inside the file, with a text for those who cannot see it.

    A wide picture takes the whole width of the page, not half of it.
    """
    data = base64.b64encode(to_bytes(draw, "svg")).decode()
    text = escape(alternative)
    attribute = ' class="wide"' if wide else ""
    return (
        f'<figure{attribute}><div class="scroll">'
        f'<img alt="{text}" src="data:image/svg+xml;base64,{data}"></div>'
        f"<figcaption><small>{text}</small></figcaption></figure>\n"
    )


def section(anchor: str, title: str, content: str) -> str:
    """Return a section with its heading; empty content gives nothing."""
    if not content:
        return ""
    return f'<section id="{anchor}"><h2>{escape(title)}</h2>\n{content}</section>\n'
