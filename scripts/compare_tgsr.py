"""Compare TGSR with every setting that its authors recorded.

Usage: compare_tgsr.py DIR... : folders that hold, at any depth, the records
``Acc_record_3class_SOURCE_TARGET_feature_LBPTOP_R3P8.mat`` (of the authors' repository
jiangxingxun/Seeking_Salient_Facial_Region, folder Acc/3class) and the released features. Every
task whose record and two feature files are there is run; ``results/reference/tgsr-recorded`` gets
a row for each, and a row for each setting whose accuracy or mean F1 is another.
"""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.io
from joblib import Parallel, delayed
from sklearn.metrics import f1_score
from threadpoolctl import threadpool_limits

from cdmer_bench.databases import load_released
from cdmer_bench.methods import TGSR

OUT = Path(__file__).parents[1] / "results" / "reference"
RECORD = re.compile(r"Acc_record_3class_(CASME2|SMIC_\w+?)_(CASME2|SMIC_\w+?)_feature_LBPTOP_R3P8")


def find(folders, pattern):
    return sorted({p.name: p for folder in folders for p in Path(folder).rglob(pattern)}.values())


def read_features(folders):
    """Return the released features by the names that the records use."""
    files = find(folders, "CrossCorpus_LBPTOP_R3P8_*.mat")
    return {
        path.name.removeprefix("CrossCorpus_LBPTOP_R3P8_").removesuffix("_112by112.mat"): path
        for path in files
    }


def compare(record, source, target, n_jobs):
    """Return the settings of one record, the recorded figures and ours."""
    recorded = pd.DataFrame(
        scipy.io.loadmat(record)["Acc"], columns=["k", "lam", "accuracy", "mean_f1"]
    )
    (Xs, ys), (Xt, yt) = (
        (f.X.reshape(len(f.X), f.X.shape[1], -1), np.asarray(f.y, dtype=np.intp))
        for f in map(load_released, (source, target))
    )
    method = TGSR()
    settings = method.settings(None, (len(Xs), len(Xt), Xs[0].size))
    assert len(settings) == len(recorded)
    assert np.allclose(recorded[["k", "lam"]], [[s["k"], s["lam"]] for s in settings])
    prepared, batches = method.prepare(Xs, ys, Xt, Xt), method.batches(settings)

    def solve(batch):
        with threadpool_limits(1):
            return method.solve(prepared, [settings[i] for i in batch]).predictions

    predictions = np.empty((len(settings), len(yt)), np.intp)
    for batch, found in zip(
        batches, Parallel(n_jobs)(delayed(solve)(batch) for batch in batches), strict=True
    ):
        predictions[batch] = found
    recorded["our_accuracy"] = (predictions == yt).mean(axis=1)
    # The metric of another library than the package's own.
    recorded["our_mean_f1"] = [
        f1_score(yt, row, labels=[0, 1, 2], average="macro", zero_division=0) for row in predictions
    ]
    return recorded


def main(folders):
    features = read_features(folders)
    rows, differing = [], []
    for record in find(folders, "Acc_record_3class_*.mat"):
        names = RECORD.match(record.name)
        if not names or not set(names.groups()) <= set(features):
            continue
        source, target = names.groups()
        found = compare(record, features[source], features[target], n_jobs=-1)
        same = np.isclose(found["accuracy"], found["our_accuracy"], rtol=0, atol=1e-9)
        same_f1 = np.isclose(found["mean_f1"], found["our_mean_f1"], rtol=0, atol=1e-9)
        best, ours = found["mean_f1"].max(), found["our_mean_f1"].max()
        rows.append(
            [source, target, len(found), same.sum(), same_f1.sum(), f"{best:.4f}", f"{ours:.4f}"]
        )
        print(*rows[-1], flush=True)
        other = found[~(same & same_f1)]
        differing.append(other.assign(source=source, target=target))
    if not rows:
        sys.exit("no record with both of its feature files was found; name their folders")
    columns = ["source", "target", "settings", "equal accuracy", "equal mean F1",
               "best recorded mean F1", "best of ours"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    table.to_csv(OUT / "tgsr-recorded.csv", index=False)
    left = pd.concat(differing)
    text = [
        "TGSR against every setting that its authors recorded (`scripts/reference tgsr DIR`),",
        "figures compared to 1e-9.",
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
    main(sys.argv[1:])
