"""The checks pass sound descriptors and name what is broken in others."""

import numpy as np

from cdmer_bench.descriptors import LBPSIP, Descriptor
from cdmer_bench.descriptors.checks import descriptor_checks
from tests.contracts import failures


def test_the_packages_own_descriptor_passes():
    assert failures(descriptor_checks(LBPSIP(R=3))) == {}


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

    found = failures(descriptor_checks(Broken()))
    assert {"parameters", "shape", "same shape", "constant clip", "refuses NaN"} <= found.keys()


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
    found = failures(descriptor_checks(BatchMean()))
    assert "in a batch values differ" in found["batches"]
    assert found["clip length"] == "16 frames give (1, 1, 16), 20 frames (1, 1, 20)"


def test_a_descriptor_that_is_random_is_caught():
    class Random(BatchMean):
        def extract_batch(self, clips):
            return np.random.default_rng().random((len(clips), 1, 1, 4))

    assert "the second time" in failures(descriptor_checks(Random()))["determinism"]


def test_a_descriptor_whose_length_changes_is_named_by_its_shapes():
    class Growing(BatchMean):
        calls = 0

        def extract(self, frames):
            Growing.calls += 1
            return np.ones((1, 1, Growing.calls))

    found = failures(descriptor_checks(Growing()))
    assert "the shape is (1, 1," in found["determinism"]


def test_each_other_thing_that_is_broken_is_caught():
    class Writing(BatchMean):
        def extract(self, frames):
            found = super().extract(frames)
            if isinstance(frames, np.ndarray) and frames.dtype == float and frames.flags.writeable:
                frames[0] = 0
            return found

    class Constant(BatchMean):
        def extract_batch(self, clips):
            return np.ones((len(clips), 1, 1, 4))

    class Short(BatchMean):
        def extract_batch(self, clips):
            return super().extract_batch(clips)[:2]

    class Single(BatchMean):
        def extract_batch(self, clips):
            return super().extract_batch(clips).astype(np.float32)

    class Nameless(BatchMean):
        label = " "

    class Dated(BatchMean):
        version = "1"

    for kind, name, said in (
        (Writing, "input kept", "it wrote into the clip"),
        (Constant, "difference", "two clips have the same description"),
        (Short, "batches", "a batch of 3 clips gives 2 descriptions"),
        (Single, "shape", "it gives float32 values"),
        (Nameless, "label", "its label is ' '"),
        (Dated, "label", "version is '1'"),
    ):
        assert said in failures(descriptor_checks(kind()))[name]
        assert name not in failures(descriptor_checks(BatchMean())) or name == "batches"


class Forgetful(LBPSIP):
    """A descriptor that comes out of a pickle with another parameter."""

    def __reduce__(self):
        return LBPSIP, (3,)


def test_a_descriptor_that_a_pickle_changes_is_caught():
    assert failures(descriptor_checks(Forgetful())).keys() == {"pickle"}
