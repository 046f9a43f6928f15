"""Files in Caffe's wire format, written here byte by byte; truncated and random ones."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdmer_bench.descriptors.c3d.descriptor import load_mean
from cdmer_bench.descriptors.c3d.weights import read_binaryproto, read_caffemodel
from cdmer_bench.errors import UserError

RNG = np.random.default_rng(0)


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes([*out, n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def blob(array, version):
    """A BlobProto of C3D 1.0 (five sizes, data in field 6) or 1.1 (data 5, shape 7)."""
    data = np.asarray(array, dtype="<f4").tobytes()
    if version == "1.1":
        return field(5, data) + field(7, field(1, b"".join(map(varint, array.shape))))
    sizes = (1,) * (5 - array.ndim) + array.shape
    return b"".join(field(i, n) for i, n in enumerate(sizes, 1)) + field(6, data)


def network(layers, version):
    """A NetParameter with layers of other kinds and unknown fields between."""
    in_network, name_field, blobs = (2, 4, 6) if version == "1.0" else (100, 1, 7)
    out = field(1, b"C3D") + field(in_network, field(name_field, b"relu1a") + field(5, 18))
    for name, arrays in layers.items():
        parts = b"".join(field(blobs, blob(a, version)) for a in arrays)
        rate = varint(9 << 3 | 5) + struct.pack("<f", 0.5)  # a field that nobody asks for
        out += field(in_network, field(name_field, name.encode()) + rate + parts)
    return out + field(5, 1)


def draw():
    shapes = {"conv1a": (4, 3, 3, 3, 3), "fc6": (5, 64), "fc8-smic": (3, 5)}
    return {
        name: (RNG.normal(size=shape).astype("f4"), RNG.normal(size=shape[:1]).astype("f4"))
        for name, shape in shapes.items()
    }


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_what_was_written_is_read(tmp_path, version):
    layers = draw()
    path = tmp_path / "net.caffemodel"
    path.write_bytes(network(layers, version))
    found = read_caffemodel(path)
    assert set(found) == {f"{name}.{kind}" for name in layers for kind in ("weight", "bias")}
    for name, (weight, bias) in layers.items():
        assert np.array_equal(found[f"{name}.weight"].reshape(weight.shape), weight)
        assert np.array_equal(found[f"{name}.bias"].ravel(), bias)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_every_truncation_is_refused_or_lacks_layers(tmp_path, version):
    layers = {"conv1a": draw()["conv1a"]}
    whole = network(layers, version)
    path = tmp_path / "net.caffemodel"
    for length in range(0, len(whole) - 2, 7):  # the last two bytes are a field of their own
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="cannot be read as a network of Caffe"):
            read_caffemodel(path)


@settings(max_examples=200)
@given(data=st.binary(max_size=300), at=st.integers(0, 500))
def test_random_bytes_give_a_network_or_a_sentence(tmp_path_factory, data, at):
    whole = network({"fc8": (np.ones((3, 5), "f4"), np.ones(3, "f4"))}, "1.0")
    path = tmp_path_factory.getbasetemp() / "random.caffemodel"
    for content in (data, whole[:at] + data + whole[at:]):
        path.write_bytes(content)
        try:
            found = read_caffemodel(path)
        except UserError:
            continue
        assert all(name.endswith((".weight", ".bias")) for name in found)


def test_a_length_beyond_the_file_allocates_nothing(tmp_path):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(varint(2 << 3 | 2) + varint(1 << 60) + b"abc")
    with pytest.raises(UserError, match="has only 3 left"):
        read_caffemodel(path)


def test_a_mean_cube_of_caffe(tmp_path):
    cube = RNG.uniform(80, 120, (1, 3, 16, 128, 171)).astype("f4")
    path = tmp_path / "train01_16_128_171_mean.binaryproto"
    path.write_bytes(blob(cube, "1.0"))
    assert np.array_equal(read_binaryproto(path), cube)
    assert np.array_equal(load_mean(str(path)), cube[0, :, :, 8:120, 29:141])
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UserError, match="cannot be read as a blob"):
        load_mean(str(path))


def test_a_caffe_network_is_loaded_under_its_own_alignment(tmp_path):
    torch = pytest.importorskip("torch", reason="C3D needs torch")
    from cdmer_bench.descriptors import C3D
    from cdmer_bench.descriptors.c3d.network import C3DNetwork
    from cdmer_bench.descriptors.c3d.weights import CUBE_MEAN, load_weights

    torch.manual_seed(3)
    made = C3DNetwork(101, "caffe", 0.05)
    state = {name: tensor.numpy() for name, tensor in made.state_dict().items()}
    names = list(dict.fromkeys(name.partition(".")[0] for name in state))
    layers = {n: (state[f"{n}.weight"], state[f"{n}.bias"]) for n in names}
    path = tmp_path / "c3d_ucf101_finetune_whole_iter_20000"
    path.write_bytes(network(layers, "1.0"))
    found = load_weights(path, "ucf101", 0.05)
    # UCF101's classifier, but tuned in Caffe: the alignment is Caffe's.
    assert (found.pool5, found.mean) == ("caffe", CUBE_MEAN)
    assert all(np.array_equal(found.tensors[k].numpy(), v) for k, v in state.items())
    clip = RNG.uniform(0, 255, (16, 112, 112))
    descriptor = C3D(trained_on="ucf101", weights=str(path), width=0.05, device="cpu")
    assert descriptor.remark == "reduced network"
    assert descriptor.extract(clip).shape == (1, 1, 205)
    with pytest.raises(UserError, match=r"shape \(3, 3, 3, 3, 3\), expected \(64, 3, 3, 3, 3\)"):
        load_weights(path, "ucf101")
    layers["conv6"] = layers["conv5b"]
    path.write_bytes(network(layers, "1.0"))
    with pytest.raises(UserError, match="conv6"):
        load_weights(path, "ucf101", 0.05)
