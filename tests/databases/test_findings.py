"""The table of findings and the code that makes them name the same ones."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

import cdmer_bench
from cdmer_bench.databases.base import SEVERITIES, finding

SENTENCES = yaml.safe_load((files("cdmer_bench.databases") / "findings.yaml").read_text("utf-8"))
SOURCE = "".join(
    path.read_text("utf-8") for path in Path(cdmer_bench.__file__).parent.rglob("*.py")
)


@pytest.mark.parametrize("code", SENTENCES)
def test_a_finding_of_the_table_is_made_somewhere(code):
    assert f'"{code}"' in SOURCE
    severity, *others = SENTENCES[code]
    assert severity in SEVERITIES
    assert set(others) <= {"expected", "action"}


def test_a_finding_that_is_made_is_in_the_table():
    made = re.findall(r'(?:\.note|\bfinding)\(\s*"([^"]+)"', SOURCE)
    assert len(made) > 40
    assert set(made) <= set(SENTENCES)


def test_a_finding_has_the_values_in_its_sentences():
    told = finding("frames-missing/gap", "CASME II: 1/EP01", n=3, first=1, last=5, length=5)
    assert (told.severity, told.code, told.where) == (
        "warning",
        "frames-missing",
        "CASME II: 1/EP01",
    )
    assert told.text == "3 frames numbered 1 to 5"
    assert told.expected == "5 frames without a gap"
