"""`cdmer check` passes what is sound and names what is broken."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from cdmer_bench.contract import Check
from cdmer_bench.databases.base import ClipDatabase
from cdmer_bench.databases.contract import database_checks, wrong_codes
from cdmer_bench.descriptors import LBPSIP, Descriptor
from cdmer_bench.descriptors.contract import DescriptorContract
from cdmer_bench.methods import GFK, SVM, TCA, StrandResult
from cdmer_bench.methods.contract import MethodContract

METHOD = """\
from dataclasses import dataclass
import numpy as np
from cdmer_bench.methods import Method, StrandResult

@dataclass
class Nearest(Method):
    power: float = 2.0

    def prepare(self, Xs, ys, Xt, Xq):
        means = np.stack([Xs[ys == c].mean(axis=0) for c in range(ys.max() + 1)])
        return {"distances": np.abs(Xq[:, None] - means)}

    def solve(self, prepared, settings):
        scores = [-(prepared["distances"] ** s.get("power", self.power)).sum(-1) for s in settings]
        return StrandResult.closed_form(np.argmax(scores, -1), np.array(scores))
"""


def failures(checks):
    return {outcome.name: outcome.reason for c in checks if not (outcome := c.run()).passed}


@pytest.mark.parametrize("method", [SVM(), GFK(), TCA()], ids=lambda m: type(m).__name__)
def test_the_packages_own_methods_pass(method):
    assert failures(MethodContract(method).checks()) == {}


def spoil(name, change):
    """A GFK whose result ``change`` alters: (predictions, prepared, settings) -> predictions."""

    class Spoilt(GFK):
        def solve(self, prepared, settings):
            result = super().solve(prepared, settings)
            predictions = change(result.predictions.copy(), prepared, settings)
            return StrandResult.closed_form(predictions, result.scores)

    Spoilt.__name__ = name
    return Spoilt()


def test_a_setting_that_depends_on_its_company_is_caught():
    def change(predictions, prepared, settings):
        return (predictions + (len(settings) > 5)) % 2

    assert {"alone", "split"} <= failures(MethodContract(spoil("Company", change)).checks()).keys()


def test_a_prediction_that_depends_on_the_position_is_caught():
    def change(predictions, prepared, settings):
        predictions[:, 0] = 0
        predictions[:, -1] = 1
        return predictions

    found = failures(MethodContract(spoil("Position", change)).checks())
    assert {"target order", "queries"} <= found.keys()
    assert "predictions differ" in found["target order"]


def test_a_random_method_is_caught():
    rng = np.random.default_rng()

    def change(predictions, prepared, settings):
        return rng.integers(0, 2, predictions.shape)

    assert "determinism" in failures(MethodContract(spoil("Random", change)).checks())


def test_writing_into_the_shared_arrays_is_caught():
    def change(predictions, prepared, settings):
        next(iter(prepared.values()))[...] = 0
        return predictions

    found = failures(MethodContract(spoil("Writer", change)).checks())
    assert "read-only" in found["split"]


def test_scores_that_are_not_finite_are_caught():
    class Scoring(GFK):
        def solve(self, prepared, settings):
            result = super().solve(prepared, settings)
            scores = np.full((*result.predictions.shape, 3), np.nan)
            return StrandResult.closed_form(result.predictions, scores)

    assert "NaN" in failures(MethodContract(Scoring()).checks())["scores"]


def test_a_method_that_asks_for_target_labels_is_caught():
    class Peeking(GFK):
        def prepare(self, Xs, ys, Xt, Xq, yt=None):
            return super().prepare(Xs, ys, Xt, Xq)

    assert "yt" in failures(MethodContract(Peeking()).checks())["no peeking"]


def test_strands_that_lose_a_setting_are_caught():
    class Losing(GFK):
        def strands(self, settings):
            return [list(range(len(settings) - 1))]

    assert "strands" in failures(MethodContract(Losing()).checks())


def test_a_runtime_warning_fails_a_check():
    outcome = Check("division", "it divides", lambda: str(np.log(np.zeros(1)))).run()
    assert not outcome.passed
    assert "RuntimeWarning" in outcome.reason


def test_the_packages_own_descriptor_passes():
    assert failures(DescriptorContract(LBPSIP(R=3)).checks()) == {}


def test_a_broken_descriptor_is_caught():
    class Broken(Descriptor):
        calls = 0

        @property
        def label(self):
            return "Broken"

        def parameters(self):
            return {"array": np.zeros(2)}

        def extract(self, frames):
            Broken.calls += 1
            frames = np.asarray(frames)
            return np.full((1, Broken.calls), frames.flat[0] / (frames.max() - frames.min()))

    found = failures(DescriptorContract(Broken()).checks())
    assert {"parameters", "shape", "same shape", "constant clip", "refuses NaN"} <= found.keys()


class BrokenClips(ClipDatabase):
    """Clips that change their order and their frames."""

    def clips(self):
        rng = np.random.default_rng()

        class Clip:
            def __init__(self, number):
                self.name, self.subject, self.label = f"c{rng.random()}", "", 5
                self.fingerprint = str(rng.random())

            def frames(self):
                return rng.normal(size=(3, 4, 4)) * 1000

        return [Clip(number) for number in range(3)]


def test_a_broken_database_is_caught():
    found = failures(database_checks(BrokenClips("broken"), []))
    assert {"order", "names", "labels", "fingerprints", "pickle", "frames", "same frames"} == set(
        found
    )


def test_codes_of_classes():
    assert wrong_codes(np.array([0, 1, 1]), ("a", "b")) is None
    assert "'b'" in wrong_codes(np.array([0, 0]), ("a", "b"))
    assert "label 2" in wrong_codes(np.array([0, 1, 2]), ("a", "b"))


@pytest.fixture
def own_method(corpus):
    (corpus.folder / "my_conf" / "method").mkdir()
    (corpus.folder / "my_conf" / "checked_nearest.py").write_text(METHOD)
    (corpus.folder / "my_conf" / "method" / "nearest.yaml").write_text(
        textwrap.dedent(
            """\
            # @package methods.nearest
            _target_: checked_nearest.Nearest
            label: Nearest
            grid: {power: [1.0, 2.0]}
            """
        )
    )
    return str(corpus.folder / "my_conf")


def test_the_command_checks_a_method_of_ones_own(own_method, cdmer):
    code, out, _ = cdmer("check", "method", "nearest", "--config-dir", own_method)
    assert code == 0
    assert out.startswith("method nearest\n  pass  class")
    assert "FAIL" not in out


def test_the_command_exits_with_1_where_a_check_fails(own_method, cdmer):
    # A grid of a parameter that the method has not.
    code, out, _ = cdmer(
        "check", "method", "nearest", "--config-dir", own_method, "+methods.nearest.grid.sharp=[1]"
    )
    assert code == 1
    assert "has no parameter 'sharp'" in out


def test_the_command_checks_a_database_of_features(own_method, cdmer):
    arguments = ["--config-dir", own_method, "corpus=small", "descriptor=given"]
    assert cdmer("check", "database", "red", *arguments)[0] == 0
    code, out, _ = cdmer("check", "database", "blue", *arguments)
    assert code == 2  # nothing failed, and nothing was checked
    assert out.count("blue.npz does not exist") == 1
    assert "FAIL" not in out
    assert "checks passed" not in out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["method", "gkf"], "'gfk'"),
        (["descriptor", "given"], "descriptors.given"),
        (["database", "casme3"], "casme2"),
    ],
)
def test_unknown_names_exit_with_2(arguments, named, cdmer):
    code, _, err = cdmer("check", *arguments)
    assert code == 2
    assert named in err


class BatchMean(Descriptor):
    """Takes the mean of the batch away, so that a clip depends on its company."""

    @property
    def label(self):
        return "Batch mean"

    def parameters(self):
        return {}

    def extract(self, frames):
        return self.extract_batch([frames])[0]

    def extract_batch(self, clips):
        rows = np.stack([np.asarray(clip, float).mean(axis=(1, 2)) for clip in clips])
        return (rows - rows.mean(axis=0) + rows[:, :1])[:, None, None, :]


def test_a_descriptor_that_depends_on_its_batch_or_the_clips_length_is_caught():
    found = failures(DescriptorContract(BatchMean()).checks())
    assert "in a batch values differ" in found["batches"]
    assert found["clip length"] == "16 frames give (1, 1, 16), 20 frames (1, 1, 20)"


def test_a_descriptor_that_is_random_is_caught():
    class Random(BatchMean):
        def extract_batch(self, clips):
            return np.random.default_rng().random((len(clips), 1, 1, 4))

    assert "the second time" in failures(DescriptorContract(Random()).checks())["determinism"]


def test_a_descriptor_whose_length_changes_is_named_by_its_shapes():
    class Growing(BatchMean):
        calls = 0

        def extract(self, frames):
            Growing.calls += 1
            return np.ones((1, 1, Growing.calls))

    found = failures(DescriptorContract(Growing()).checks())
    assert "the shape is (1, 1," in found["determinism"]


def test_predictions_that_are_no_class_indices_are_caught():
    class Floating(GFK):
        def solve(self, prepared, settings):
            result = super().solve(prepared, settings)
            return StrandResult.closed_form(result.predictions * np.nan, None)

    assert "some predictions are NaN" in failures(MethodContract(Floating()).checks())["finite"]


def test_a_method_that_writes_into_the_samples_is_caught():
    class Scaling(GFK):
        def prepare(self, Xs, ys, Xt, Xq):
            Xt /= 2.0
            return super().prepare(Xs, ys, Xt, Xq)

    assert failures(MethodContract(Scaling()).checks())["input kept"].startswith("it wrote into Xt")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda K: K[:-1], "adapted_kernel has shape"),
        (lambda K: K * np.where(K[0, 1] == K, np.nan, 1), "NaN"),
        (lambda K: np.triu(K), "not symmetric"),
        (lambda K: -K, "has the eigenvalue -"),
    ],
    ids=["shape", "NaN", "triangle", "negative"],
)
def test_an_adapted_kernel_that_is_none_is_caught(change, said):
    class Spoilt(GFK):
        def adapted_kernel(self, prepared, setting):
            return change(super().adapted_kernel(prepared, setting))

    found = failures(MethodContract(Spoilt()).checks())
    assert found.keys() == {"kernel", "pickle"}  # a class of a function cannot be pickled
    assert said in found["kernel"]


class Spots:
    """A clip of one grey level; ``lost`` has no file."""

    def __init__(self, name, level, lost=False):
        self.name, self.subject, self.label = name, "s1", level % 3
        self.level, self.lost, self.fingerprint = level, lost, f"spot {name}"

    def frames(self):
        if self.lost:
            raise FileNotFoundError(f"{self.name}.png")
        return np.full((3, 4, 4), self.level, np.uint8)


class Listed(ClipDatabase):
    """Clips handed over."""

    def clips(self):
        return self.listed


def test_lost_and_repeated_clips_are_caught():
    database = Listed("listed")
    database.listed = [Spots(f"c{n}", n) for n in range(6)]
    assert failures(database_checks(database, [])) == {}
    database.listed[4] = Spots("c4", 4, lost=True)
    database.listed[5] = Spots("copy", 2)
    found = failures(database_checks(database, []))
    assert found["readable"] == "1 of 6 clips cannot be read, such as c4 (c4.png)"
    assert found["no duplicates"] == "the clips c2 and copy have the same frames"
    database.listed[5].fingerprint = database.listed[2].fingerprint
    assert "fingerprint" in failures(database_checks(database, []))["no duplicates"]


DEFECTS = [
    ("np.argmax(scores, -1)", "np.argmax(scores, -1) * np.nan", "finite", "NaN"),
    (
        "def solve(self, prepared, settings):",
        "def solve(self, prepared, settings):\n        prepared['distances'] += 1.0",
        "scores",
        "solve writes into an array of prepare",
    ),
]


@pytest.mark.parametrize(("sound", "broken", "check", "said"), DEFECTS, ids=lambda d: str(d)[:12])
def test_the_command_names_each_defect_in_one_line(sound, broken, check, said, own_method, cdmer):
    folder = Path(own_method)
    name = f"checked_{abs(hash(broken))}"  # an imported module would be taken again
    body = METHOD.replace(sound, broken)
    (folder / f"{name}.py").write_text(body)
    card = folder / "method" / "nearest.yaml"
    card.write_text(card.read_text().replace("checked_nearest", name))
    code, out, _ = cdmer("check", "method", "nearest", "--config-dir", own_method)
    assert code == (1 if check else 0), out
    assert "Traceback" not in out
    if check:
        lines = [line for line in out.splitlines() if line.split()[:1] == ["FAIL"]]
        assert any(check in line and said in line for line in lines), out


def test_the_command_checks_a_method_of_an_installed_package(own_method, tmp_path):
    site = tmp_path / "site"
    shutil.copytree(Path(own_method) / "method", site / "nearest_package" / "conf" / "method")
    (site / "nearest_package" / "__init__.py").write_text("")
    (site / "nearest_package" / "conf" / "__init__.py").write_text("")
    (site / "checked_nearest.py").write_text(METHOD)
    metadata = site / "nearest_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: nearest-package\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        "[cdmer_bench.conf]\nnearest = nearest_package.conf\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-m", "cdmer_bench.cli.main", "check", "method", "nearest"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), root])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("method nearest\n  pass  class")


UNUSABLE = {
    "syntax": ("def x(:\n", ["SyntaxError", "unusable_syntax.py, line 1"]),
    "import": ("\nraise OSError('no disk')\n", ["no disk", "unusable_import.py, line 2"]),
    "plain": (METHOD.replace("@dataclass\n", ""), ["Nearest, which is no dataclass"]),
    "foreign": (METHOD.replace("(Method)", ""), ["derive the class"]),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_class_that_cannot_be_used_is_named_in_one_sentence(kind, own_method, cdmer):
    body, said = UNUSABLE[kind]
    (Path(own_method) / f"unusable_{kind}.py").write_text(body)
    card = Path(own_method) / "method" / "nearest.yaml"
    card.write_text(card.read_text().replace("checked_nearest", f"unusable_{kind}"))
    for command in (("check", "method", "nearest"), ("run", "method=nearest", "task=exp05")):
        code, out, err = cdmer(*command, "--config-dir", own_method)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        for words in said:
            assert words.lower() in err.lower()


def test_a_result_of_another_kind_is_named_once(own_method, cdmer):
    broken = METHOD.replace(
        "StrandResult.closed_form(np.argmax(scores, -1), np.array(scores))", "np.array(scores)"
    )
    (Path(own_method) / "checked_array.py").write_text(broken)
    card = Path(own_method) / "method" / "nearest.yaml"
    card.write_text(card.read_text().replace("checked_nearest", "checked_array"))
    code, out, _ = cdmer("check", "method", "nearest", "--config-dir", own_method)
    assert code == 1
    assert out.count("solve gave ndarray, expected a StrandResult") == 1
    assert "FAIL  determinism      the same as 'shapes'" in out
