"""Sections of documents that a command writes, between two comments that name the section."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path


def markdown_table(cells: Sequence[Sequence[str]]) -> str:
    """Return a table whose first row is its head."""
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "---|" * len(cells[0]), *lines[1:]])


def replace_section(path: Path, name: str, text: str) -> None:
    """Put ``text`` between ``<!-- name -->`` and ``<!-- end of name -->``."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, found, rest = path.read_text(encoding="utf-8").partition(start)
    _, also, after = rest.partition(end)
    if not (found and also):
        raise SystemExit(f"{path} lacks the comments {start.strip()} and {end}")
    path.write_text(f"{before}{start}\n{text}\n\n{end}{after}", encoding="utf-8")


def machine() -> str:
    """Describe the machine and its libraries in a line."""
    import numpy
    import scipy
    import sklearn
    from threadpoolctl import threadpool_info

    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
    blas = sorted(
        {f"{p['internal_api']} {p['version']}" for p in threadpool_info() if p["version"]}
    )
    versions = ", ".join(f"{m.__name__} {m.__version__}" for m in (numpy, scipy, sklearn))
    load = f"load {os.getloadavg()[0]:.1f} at the end"
    return (
        f"{model}, {os.cpu_count()} cores, {load}; Python {platform.python_version()}, "
        f"{versions}, {', '.join(blas)}; one BLAS thread."
    )
