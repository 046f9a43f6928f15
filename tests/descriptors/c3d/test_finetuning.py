"""Table VII by the command line: tuned and untuned rows, bad weight files, no weights."""

from dataclasses import replace

import numpy as np
import pytest

from cdmer_bench.preprocessing import Preprocessing
from cdmer_bench.results.store import ResultsStore
from tests.damages import DAMAGES
from tests.descriptors.c3d import few_clips
from tests.descriptors.c3d.few_clips import write_conf

torch = pytest.importorskip("torch", reason="C3D needs torch")

from cdmer_bench.descriptors import C3D  # noqa: E402
from cdmer_bench.descriptors.c3d.finetuning import Recipe, Tuning, resized_clip  # noqa: E402
from cdmer_bench.descriptors.c3d.network import C3DNetwork  # noqa: E402
from cdmer_bench.descriptors.c3d.training import Training  # noqa: E402

SHORT = [
    *("c3d.width=0.02", "c3d.device=cpu", "n_jobs=1", "progress=false"),
    *(f"c3d.finetune.{s}" for s in ("n_total=12", "n_validation=4", "n_steps=2", "batch=2")),
    *("preprocessing=tim16_112", "grid=paper"),
]


@pytest.fixture
def run(tmp_path, cdmer, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write_conf(tmp_path)
    torch.manual_seed(0)
    torch.save(C3DNetwork(487, "caffe", 0.02).state_dict(), tmp_path / "c3d.pickle")

    def call(*more):
        return cdmer(
            "run",
            *("--config-dir", str(folder), "corpus=few", f"cache.dir={tmp_path / 'cache'}"),
            *SHORT,
            *more,
        )

    return call


def test_the_whole_experiment(run, tmp_path, cdmer):
    code, out, err = run("experiment=table7", "against=paper", "c3d.weights=c3d.pickle")
    assert code == 0, err
    records = ResultsStore(tmp_path / "results").records()
    rows = {(r.method_label, r.descriptor_label, r.task) for r in records}
    deep = [
        f"C3D-FC{n} ({on}) [reduced network]" for n in (1, 2) for on in ("Sports1M", "Finetune")
    ]
    expected = [("Baseline", d) for d in ("LBP-TOP(R3P8)", *deep)] + [("TCA", "LBP-TOP(R3P8)")]
    assert rows == {(*pair, task) for pair in expected for task in ("exp01", "exp03", "exp08")}
    tuned = [r for r in records if "Finetune" in r.descriptor_label]
    assert {r.descriptor for r in tuned} == {"c3d_fc1_finetune@smic_hs", "c3d_fc2_finetune@smic_hs"}
    # Figures of a reduced network stand in no table of the paper's layout.
    tables = [out, *(cdmer("tables", str(n))[1] for n in (3, 4, 5, 6, 7))]
    assert all("reduced network" not in table for table in tables)
    seventh = tables[-1]
    for label in ("C3D-FC1 (Sports1M)", "C3D-FC2 (Finetune)"):
        line = next(line for line in seventh.splitlines() if line.startswith(label))
        assert line.split(")")[1].split() == ["no", "weights"] * 3
    assert any(line.startswith("TCA ") and " / " in line for line in seventh.splitlines())
    # The paper's figures stand beside in the run's own output.
    assert "0.8269 / 83.10" in out


def test_tuning_is_of_the_source_and_done_once(run, tmp_path):
    arguments = ("method=svm", "descriptor=c3d_fc1_finetune", "c3d.weights=c3d.pickle")
    assert run(*arguments, "task=exp01,exp02")[0] == 0
    tuned = {p.name.rpartition("-")[0]: p for p in (tmp_path / "cache" / "tuned").glob("*.pth")}
    assert set(tuned) == {"smic_hs", "smic_vis"}
    content = torch.load(tuned["smic_hs"], weights_only=True)
    assert (content["source"], content["pool5"]) == ("smic_hs", "caffe")
    assert content["state_dict"]["fc8.weight"].shape == (3, 82)
    times = {name: path.stat().st_mtime_ns for name, path in tuned.items()}
    assert run(*arguments, "task=exp03")[0] == 0
    assert {name: path.stat().st_mtime_ns for name, path in tuned.items()} == times
    assert not list((tmp_path / "cache" / "tuned").glob("*.checkpoint"))


def test_force_tunes_anew_once_and_takes_up_no_checkpoint(run, tmp_path, monkeypatch):
    arguments = ("method=svm", "descriptor=c3d_fc1_finetune,c3d_fc2_finetune", "task=exp01")
    arguments = (*arguments, "c3d.weights=c3d.pickle")
    assert run(*arguments)[0] == 0
    (path,) = (tmp_path / "cache" / "tuned").glob("*.pth")
    first = torch.load(path, weights_only=True)
    steps = []
    take_step = Training.take_step

    def counted(self):
        steps.append(self.step)
        return take_step(self)

    monkeypatch.setattr(Training, "take_step", counted)
    wrong = {"step": 1, "network": {}, "optimiser": {}, "best": None, "validated": []}
    torch.save({"key": first["key"], **wrong}, path.with_suffix(".checkpoint"))
    assert run(*arguments, "force=true")[0] == 0
    assert steps == [0, 1]  # one network for both layers, from its first step on
    again = torch.load(path, weights_only=True)
    assert all(
        torch.equal(again["state_dict"][name], first["state_dict"][name])
        for name in first["state_dict"]
    )
    assert run(*arguments)[0] == 0
    assert steps == [0, 1]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_tuned_network_is_set_aside_and_made_again(run, tmp_path, damage):
    arguments = ("method=svm", "descriptor=c3d_fc1_finetune", "c3d.weights=c3d.pickle")
    assert run(*arguments, "task=exp01")[0] == 0
    (path,) = (tmp_path / "cache" / "tuned").glob("*.pth")
    tuned = torch.load(path, weights_only=True)["state_dict"]
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.warns(UserWarning, match="set aside") as warned:
        code, _, err = run(*arguments, "task=exp03")  # its target's features are still to be made
    assert code == 0, err
    assert [str(w.message).split(" is damaged")[0] for w in warned] == [str(path)]
    again = torch.load(path, weights_only=True)["state_dict"]
    assert all(torch.equal(tuned[name], again[name]) for name in tuned)


def test_labels_of_the_target_change_nothing(run, tmp_path, monkeypatch):
    """The same network and predictions, whatever the target's labels are."""
    arguments = ("method=svm", "descriptor=c3d_fc2_finetune", "c3d.weights=c3d.pickle")
    assert run(*arguments, "task=exp01")[0] == 0
    clips = few_clips.FewClips.clips

    def relabelled(self):
        found = clips(self)
        if self.name == "smic_vis":
            for clip in found:
                clip.label = (clip.label + 1) % 3
        return found

    monkeypatch.setattr(few_clips.FewClips, "clips", relabelled)
    assert run(*arguments, "task=exp01", "results.dir=again")[0] == 0
    first, second = (ResultsStore(tmp_path / d).records()[0] for d in ("results", "again"))
    assert np.array_equal(first.predictions, second.predictions)
    assert not np.array_equal(first.y_target, second.y_target)
    assert len(list((tmp_path / "cache" / "tuned").glob("*.pth"))) == 1
    assert "tuned on smic_hs, 2 steps of 2 out of 8" in first.about["descriptor_note"]


@pytest.mark.parametrize("damage", ["missing", "garbage", "truncated"])
def test_a_bad_weight_file_stops_its_own_cells_only(run, tmp_path, damage):
    path = tmp_path / "c3d.pickle"
    whole = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(b"garbage" if damage == "garbage" else whole[: len(whole) // 2])
    good = "descriptor=c3d_fc1_sports1m,c3d_fc2_finetune,hog_top_p4"
    code, out, err = run("method=svm", good, "task=exp01", "c3d.weights=c3d.pickle")
    assert code == 1
    assert "1 done" in err
    assert "2 refused" in err
    assert "c3d.pickle" in err
    assert "Traceback" not in err + out
    assert "HOG-TOP(p=4)" in out
    bad_only = "descriptor=c3d_fc1_sports1m"
    assert run("method=svm", bad_only, "task=exp01", "c3d.weights=c3d.pickle")[0] == 2


def test_without_weights_the_rows_say_so(run):
    code, out, err = run("experiment=table7", "method=svm", "c3d.width=1")
    assert code == 0, err
    for label in ("C3D-FC1 (Sports1M)", "C3D-FC2 (Finetune)"):
        lines = [line for line in out.splitlines() if line.startswith(label)]
        assert any(line.count("no weights") == 3 for line in lines), out
    assert "c3d.weights=/path/to/it" in err
    assert "conv3d_deepnetA_sport1m_iter_1900000" in err


def test_random_weights_enter_no_table(run, tmp_path, cdmer):
    code, out, err = run("experiment=table7", "c3d.weights=random")
    assert (code, "Table VII" in out) == (0, False)
    assert "in no table, because such networks are for tests: C3D-FC1 (Sports1M) [random" in err
    labels = {r.descriptor_label for r in ResultsStore(tmp_path / "results").records()}
    assert {f"C3D-FC{n} (Finetune) [random weights]" for n in (1, 2)} < labels
    for number in (3, 4, 5, 6, 7):
        _, out, err = cdmer("tables", str(number))
        assert "random weights" not in out
        assert "in no table" in err


def test_weights_tuned_elsewhere_serve_their_own_source_only(run, tmp_path):
    torch.manual_seed(1)
    state = C3DNetwork(3, "ports", 0.02).state_dict()
    torch.save(state, tmp_path / "mine.pth")
    arguments = ("method=svm", "descriptor=c3d_fc1_finetune", "c3d.weights_finetuned=mine.pth")
    code, _, err = run(*arguments, "task=exp01,exp02")
    assert code == 0, err
    records = ResultsStore(tmp_path / "results").records()
    assert [(r.task, r.descriptor) for r in records] == [("exp01", "c3d_fc1_finetune")]
    assert "1 without data" in err  # V to H would show the network its targets' labels


def test_a_misspelt_database_that_tuned_weights_saw_is_named(run):
    words = ("method=svm", "descriptor=c3d_fc1_finetune", "c3d.weights_finetuned=mine.pth")
    code, _, err = run(*words, "task=exp01", "c3d.finetuned_on=smic_sh")
    assert code == 2
    assert "c3d.finetuned_on is 'smic_sh'" in err
    assert "did you mean 'smic_hs'" in err


@pytest.mark.parametrize("wrong", ["n_steps=0", "batch=x", "learning_rate=true"])
def test_wrong_settings_are_named(run, wrong):
    code, _, err = run("experiment=table7", "c3d.weights=c3d.pickle", f"c3d.finetune.{wrong}")
    assert code == 2
    assert f"c3d.finetune.{wrong.partition('=')[0]}" in err


def test_a_damaged_clip_is_left_out_of_tuning_and_named(run, tmp_path, monkeypatch):
    monkeypatch.setattr(few_clips, "UNREADABLE", {"smic_hs/4"})
    arguments = ("method=svm", "descriptor=c3d_fc1_finetune", "c3d.weights=c3d.pickle")
    with pytest.warns(UserWarning, match="left out") as warned:
        code, _, err = run(*arguments, "task=exp01", "backend=sequential")
    assert code == 0, err
    named = "SMIC-HS: clip smic_hs/4 is left out: smic_hs/4.jpg is cut short; copy it again"
    assert named in [str(w.message) for w in warned]
    record = ResultsStore(tmp_path / "results").records()[0]
    assert (len(record.y_source), len(record.y_target)) == (5, 6)


def test_a_reader_of_one_s_own_that_raises_takes_its_clip_out_of_tuning(monkeypatch):
    (clip, *_) = few_clips.FewClips("smic_hs").clips()
    assert resized_clip(clip, Preprocessing(shape=(9, 8))).shape == (len(clip.frames()), 9, 8)
    monkeypatch.setattr(few_clips.FewClip, "frames", lambda self: {}[0])
    found = resized_clip(clip, Preprocessing())
    assert found.name == clip.name
    assert found.reason.startswith("its frames() raised KeyError")


def test_a_network_is_of_its_classes_labels_and_recipe(tmp_path, monkeypatch):
    def key(classes=("a", "b", "c"), recipe=None):
        database = few_clips.FewClips("smic_hs", classes=classes)
        recipe = recipe or Recipe()
        return Tuning(database, C3D(weights="random"), recipe, Preprocessing(), tmp_path).key

    keys = {key(), key(("a", "c", "b")), key(recipe=Recipe(seed=1))}
    clips = few_clips.FewClips.clips
    monkeypatch.setattr(
        few_clips.FewClips,
        "clips",
        lambda self: [replace(clip, label=2 - clip.label) for clip in clips(self)],
    )
    assert len(keys | {key()}) == 4
