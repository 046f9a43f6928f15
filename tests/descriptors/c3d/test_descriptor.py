"""C3D against its published size, and against sums written out here."""

import numpy as np
import pytest

from cdmer_bench.descriptors import C3D
from cdmer_bench.descriptors.c3d.descriptor import load_mean, network_input
from cdmer_bench.errors import DataMissing, UserError
from cdmer_bench.io import content_key

CLIP = np.random.default_rng(0).uniform(0, 255, (16, 112, 112))


def small_network(**more):
    torch = pytest.importorskip("torch", reason="C3D needs torch")
    from cdmer_bench.descriptors.c3d.network import C3DNetwork

    torch.manual_seed(1)
    return torch, C3DNetwork(width=0.01, **more).eval()


def test_number_of_parameters():
    torch = pytest.importorskip("torch", reason="C3D needs torch")
    from cdmer_bench.descriptors.c3d.network import C3DNetwork

    with torch.device("meta"):
        network = C3DNetwork()
    assert sum(p.numel() for p in network.parameters()) == 79_991_015
    assert network.fc6.in_features == 8192


@pytest.mark.parametrize(
    ("pool5", "windows"),
    [("caffe", [[0, 1], [2, 3], [4, 5], [6]]), ("ports", [[0], [1, 2], [3, 4], [5, 6]])],
)
def test_windows_of_pool5(pool5, windows):
    torch, network = small_network(pool5=pool5)
    maps = np.random.default_rng(2).uniform(0, 1, (3, 2, 7, 7)).astype(np.float32)
    got = network._pool(torch.from_numpy(maps[None]), "conv5b").numpy()[0, :, 0]
    expected = [[maps[:, :, r][..., c].max(axis=(1, 2, 3)) for c in windows] for r in windows]
    assert np.array_equal(got, np.moveaxis(np.array(expected), 2, 0))


def test_first_convolution_and_pooling():
    torch, network = small_network()
    x = np.random.default_rng(3).normal(size=(3, 4, 6, 6)).astype(np.float32)
    weight, bias = (p.detach().numpy() for p in (network.conv1a.weight, network.conv1a.bias))
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3, 3), axis=(1, 2, 3))
    out = np.einsum("cthwijk,ocijk->othw", windows, weight) + bias[:, None, None, None]
    pooled = np.maximum(out, 0).reshape(2, 4, 3, 2, 3, 2).max(axis=(3, 5))  # time is not pooled
    with torch.no_grad():
        got = network._pool(torch.relu(network.conv1a(torch.from_numpy(x[None]))), "conv1a")
    assert np.allclose(got.numpy()[0], pooled, atol=1e-5)


def test_hidden_layers_are_after_relu_and_channel_first():
    torch, network = small_network()
    with torch.no_grad():
        x = torch.from_numpy(network_input(CLIP, (95.14, 102.86, 107.76))[None])
        pooled = network.convolve(x)
        fc6, fc7 = (layer.numpy()[0] for layer in network.hidden_layers(x))
        maps = x
        for name, after in zip(
            ("1a", "2a", "3a", "3b", "4a", "4b", "5a", "5b"), "pp.p.p.p", strict=True
        ):
            maps = torch.relu(getattr(network, f"conv{name}")(maps))
            if after == "p":
                maps = network._pool(maps, f"conv{name}")
    assert maps.shape == (1, 5, 1, 4, 4)
    assert np.array_equal(pooled.numpy(), maps.numpy().reshape(1, -1))
    W6, b6, W7, b7 = (
        p.detach().numpy() for layer in (network.fc6, network.fc7) for p in layer.parameters()
    )
    expected6 = np.maximum(W6 @ pooled.numpy()[0] + b6, 0)
    assert np.allclose(fc6, expected6, atol=1e-5)
    assert np.allclose(fc7, np.maximum(W7 @ expected6 + b7, 0), atol=1e-5)


def test_input_is_grey_in_three_channels_less_the_mean():
    got = network_input(CLIP, (1, 2, 3))
    assert got.shape == (3, 16, 112, 112)
    assert got.dtype == np.float32
    assert np.allclose(got, CLIP - np.array([1, 2, 3])[:, None, None, None], atol=1e-4)


def test_central_crop_of_enlarged_frames():
    ramp = np.tile(np.arange(112.0), (16, 112, 1))
    got = network_input(ramp, (0, 0, 0), "centre_crop")
    assert got.shape == (3, 16, 112, 112)
    # Column 29 of 171 lies at (29 + 0.5) * 112 / 171 - 0.5 of the 112 columns.
    assert got[0, 3, 50, 0] == pytest.approx(29.5 * 112 / 171 - 0.5, abs=1e-3)
    rows = network_input(ramp.swapaxes(1, 2), (0, 0, 0), "centre_crop")
    assert rows[0, 3, 0, 50] == pytest.approx(8.5 * 112 / 128 - 0.5, abs=1e-3)


@pytest.mark.parametrize("shape", [(15, 112, 112), (16, 112, 111), (112, 16, 112)])
def test_other_clips_are_refused(shape):
    with pytest.raises(UserError, match="16 x 112 x 112"):
        network_input(np.zeros(shape), (0, 0, 0))


@pytest.mark.parametrize(
    ("trained_on", "said"),
    [
        ("sports1m", r"c3d\.pickle.* c3d\.weights="),
        ("ucf101", r"ucf101-caffe\.pth.* c3d\.weights_ucf101="),
        ("finetuned", r"c3d\.weights_finetuned="),
    ],
)
@pytest.mark.parametrize("weights", [None, "nowhere/c3d.pickle"])
def test_without_weights(trained_on, said, weights):
    descriptor = C3D(trained_on=trained_on, weights=weights)  # does not raise: rows stay in plans
    # No file is a matter of what is on the machine, a wrong path the user's mistake.
    kind = DataMissing if weights is None else UserError
    for use in (descriptor.parameters, descriptor.check_ready, lambda: descriptor.extract(CLIP)):
        with pytest.raises(kind, match=said) as raised:
            use()
        assert isinstance(raised.value, DataMissing) == (weights is None)


@pytest.mark.parametrize(
    "wrong",
    [{"layer": "fc8"}, {"trained_on": "kinetics"}, {"pool5": "valid"}, {"frames": "crop"}]
    + [{"device": "tpu"}, {"batch_size": 0}, {"width": 0}, {"width": 2}]
    + [{"mean": m} for m in ("cube", 3, [1, 2], [1, 2, float("nan")])],
)
def test_wrong_parameters_are_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        C3D(**wrong)


def test_both_layers_of_the_full_network():
    pytest.importorskip("torch", reason="C3D needs torch")
    first, second = C3D("fc6", weights="random"), C3D("fc7", weights="random")
    fc6 = first.extract(CLIP)
    fc7 = second.extract(np.asfortranarray(CLIP))
    assert fc6.shape == fc7.shape == (1, 1, 4096)
    assert fc6.min() == fc7.min() == 0
    assert not np.array_equal(fc6, fc7)
    assert np.array_equal(fc6, first.extract(CLIP.copy()))
    assert first.label == "C3D-FC1 (Sports1M)"
    assert first.remark == second.remark == "random weights"


def test_a_batch_gives_what_its_clips_give_alone():
    pytest.importorskip("torch", reason="C3D needs torch")
    clips = [np.roll(CLIP, 7 * i, axis=i % 3) + 3 * i for i in range(5)]
    for layer in ("fc6", "fc7"):
        descriptor = C3D(layer, weights="random", width=0.05)
        alone = np.stack([descriptor.extract(clip) for clip in clips])
        batch = descriptor.extract_batch(clips)
        assert batch.shape == (5, 1, 1, 205)
        # Sums are added in another order: float32 rounding, 1e-5 of the largest feature.
        assert np.abs(batch - alone).max() <= 1e-5 * alone.max()
        assert np.abs(np.diff(alone, axis=0)).max() > 1e-3 * alone.max()
        assert np.array_equal(batch, descriptor.extract_batch(clips))


def test_a_mean_cube_is_cut_like_the_frames(tmp_path):
    cube = np.random.default_rng(5).uniform(80, 120, (1, 3, 16, 128, 171))
    np.save(tmp_path / "mean.npy", cube)
    crop = load_mean(str(tmp_path / "mean.npy"))
    assert np.array_equal(crop, cube[0, :, :, 8:120, 29:141])
    assert np.allclose(network_input(CLIP, crop), CLIP - crop, atol=1e-4)
    np.save(tmp_path / "other.npy", cube[..., :112])
    with pytest.raises(UserError, match="expected a mean cube"):
        C3D(mean=str(tmp_path / "other.npy"))


def test_a_gpu_that_is_not_there(monkeypatch):
    torch = pytest.importorskip("torch", reason="C3D needs torch")
    from cdmer_bench.descriptors.c3d.network import find_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="torch sees no GPU"):
        C3D(weights="random", width=0.05, device="cuda").extract(CLIP)
    assert find_device("auto") == "cpu"


def test_whatever_decides_the_features_is_in_their_key():
    pytest.importorskip("torch", reason="C3D needs torch")
    changes = ({}, {"pool5": "ports"}, {"frames": "centre_crop"}, {"mean": [1.0, 2.0, 3.0]})
    keys = [content_key(C3D(weights="random", **change).parameters()) for change in changes]
    assert len(set(keys)) == len(changes)
