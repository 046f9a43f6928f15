"""Tables, comparison with the paper, audit, pictures and the HTML report, from stored records."""

from importlib import import_module
from typing import Any

_MODULES = {
    "MissingCell": "tables",
    "build_table": "tables",
    "tables_for": "tables",
    "render": "formats",
    "render_all": "formats",
    "FORMATS": "formats",
    "differences": "table",
    "summarize": "table",
    "Table": "table",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    # Late, so that a command that prints nothing imports nothing of this.
    if name in _MODULES:
        return getattr(import_module(f"cdmer_bench.reporting.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'cdmer_bench.reporting' has no attribute {name!r}")
