"""Compare TGSR with every setting that its authors recorded.

Usage: compare_tgsr.py RECORDS RESULTS: a folder that holds, at any depth, the authors' records
``Acc_record_3class_SOURCE_TARGET_feature_LBPTOP_R3P8.mat`` (of their repository
jiangxingxun/Seeking_Salient_Facial_Region, folder Acc/3class), and a results folder with TGSR on
the released features. ``results/reference/tgsr-recorded`` gets a row for each task that is in
both, and a row for each setting whose accuracy or mean F1 is another.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.io
from sklearn.metrics import f1_score

from cdmer_bench.results.current import current
from cdmer_bench.results.store import ResultsStore

OUT = Path(__file__).parents[1] / "results" / "reference"
NAMES = {"casme2": "CASME2", "smic_hs": "SMIC_HS", "smic_vis": "SMIC_VIS", "smic_nir": "SMIC_NIR"}


def compare(file: Path, cell) -> pd.DataFrame:
    """Return the settings of one record, with the recorded figures and ours."""
    recorded = pd.DataFrame(
        scipy.io.loadmat(file)["Acc"], columns=["k", "lam", "accuracy", "mean_f1"]
    )
    assert np.allclose(recorded[["k", "lam"]], [[s["k"], s["lam"]] for s in cell.settings])
    recorded["our_accuracy"] = (cell.predictions == cell.y_target).mean(axis=1)
    # The metric of another library than the package's own.
    recorded["our_mean_f1"] = [
        f1_score(cell.y_target, row, labels=[0, 1, 2], average="macro", zero_division=0)
        for row in cell.predictions
    ]
    return recorded


def main(records: str, results: str) -> None:
    rows, differing = [], []
    for cell in current(ResultsStore(results)):
        name = f"Acc_record_3class_{NAMES.get(cell.source)}_{NAMES.get(cell.target)}_*.mat"
        files = sorted(Path(records).rglob(name))
        if cell.method != "tgsr" or cell.corpus != "released" or not files:
            continue
        found = compare(files[0], cell)
        same, same_f1 = (
            np.isclose(found[f], found[f"our_{f}"], rtol=0, atol=1e-9)
            for f in ("accuracy", "mean_f1")
        )
        best = (f"{found[column].max():.4f}" for column in ("mean_f1", "our_mean_f1"))
        rows.append([cell.task_label, len(found), same.sum(), same_f1.sum(), *best])
        differing.append(found[~(same & same_f1)].assign(task=cell.task_label))
    if not rows:
        sys.exit("no task of the results folder has a record in the folder of records")
    columns = ["task", "settings", "equal accuracy", "equal mean F1", "best recorded mean F1",
               "best of ours"]  # fmt: skip
    pd.DataFrame(rows, columns=columns).to_csv(OUT / "tgsr-recorded.csv", index=False)
    left = pd.concat(differing)
    text = [
        "TGSR against every setting that its authors recorded "
        "(`scripts/reference tgsr RECORDS DIR`);",
        "figures are equal within 1e-9.",
        "",
        "| " + " | ".join(columns) + " |",
        "|" + "---|" * len(columns),
        *("| " + " | ".join(map(str, row)) + " |" for row in rows),
        "",
    ]
    if len(left):
        text += [f"Settings that differ ({len(left)}):", "", "```", left.to_csv(index=False), "```"]
    else:
        text += ["No setting differs."]
    (OUT / "tgsr-recorded.md").write_text("\n".join(text).rstrip() + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
