"""Weight files of every family; each tensor is a view of one number, so the files are small."""

import hashlib

import numpy as np
import pytest

from cdmer_bench.descriptors.c3d.weights import (
    CUBE_MEAN,
    OPENMMLAB_MEAN,
    check_suffix,
    find_file,
    load_weights,
)
from cdmer_bench.errors import UserError

torch = pytest.importorskip("torch", reason="C3D needs torch")

CONV = {
    "conv1a": (64, 3),
    "conv2a": (128, 64),
    "conv3a": (256, 128),
    "conv3b": (256, 256),
    "conv4a": (512, 256),
    "conv4b": (512, 512),
    "conv5a": (512, 512),
    "conv5b": (512, 512),
}
FULL = {"fc6": (4096, 8192), "fc7": (4096, 4096)}
PYTORCH = {"conv1a": "conv1", "conv2a": "conv2"}
NUMBERED = dict(zip(CONV, (f"features.{i}" for i in (0, 3, 6, 8, 11, 13, 16, 18)), strict=True))
NUMBERED |= {"fc6": "classifier.0", "fc7": "classifier.3"}
OPENMMLAB = {name: f"{name}.conv" for name in CONV}


def tensors(names, prefix="", head=None):
    """Layers under a file's names; every tensor is a view of one number."""
    made = {}
    for layer, size in {**CONV, **FULL}.items():
        shape = (*size, 3, 3, 3) if layer in CONV else size
        number = list({**CONV, **FULL}).index(layer) / 10
        made[f"{prefix}{names.get(layer, layer)}.weight"] = torch.tensor(number).expand(shape)
        made[f"{prefix}{names.get(layer, layer)}.bias"] = torch.tensor(number).expand(shape[:1])
    if head:
        name, n_classes = head
        made[f"{name}.weight"] = torch.zeros(1).expand(n_classes, 4096)
        made[f"{name}.bias"] = torch.zeros(1).expand(n_classes)
    return made


FAMILIES = [
    ("c3d.pickle", "sports1m", tensors(PYTORCH, head=("fc8", 487)), "caffe", CUBE_MEAN),
    ("c3d-pretrained.pth", "sports1m", tensors(NUMBERED), "caffe", CUBE_MEAN),
    ("ucf101-caffe.pth", "ucf101", tensors(NUMBERED), "caffe", CUBE_MEAN),
    ("sports.pth", "sports1m", tensors(OPENMMLAB), "caffe", CUBE_MEAN),
    (
        "ucf.pth",
        "ucf101",
        {"state_dict": tensors(OPENMMLAB, "backbone.", ("cls_head.fc_cls", 101))},
        "ports",
        OPENMMLAB_MEAN,
    ),
    ("smic.pth", "finetuned", tensors(PYTORCH, head=("fc8", 3)), "ports", CUBE_MEAN),
    ("run.pth", "ucf101", {"state_dict": tensors(PYTORCH, head=("fc8", 101))}, "ports", CUBE_MEAN),
]


@pytest.mark.parametrize(("name", "trained_on", "content", "pool5", "mean"), FAMILIES)
def test_families(tmp_path, name, trained_on, content, pool5, mean):
    torch.save(content, tmp_path / name)
    found = load_weights(tmp_path / name, trained_on)
    assert (found.pool5, found.mean) == (pool5, mean)
    for i, layer in enumerate([*CONV, *FULL]):
        assert found.tensors[f"{layer}.weight"].flatten()[0] == pytest.approx(i / 10)
        assert len(found.tensors[f"{layer}.bias"]) == {**CONV, **FULL}[layer][0]


def refuse(tmp_path, content, match, trained_on="sports1m"):
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(UserError, match=match):
        load_weights(path, trained_on)


def test_unknown_missing_and_misshapen_layers_are_named(tmp_path):
    good = tensors(PYTORCH)
    refuse(tmp_path, {**good, "conv6.weight": torch.zeros(1)}, "conv6")
    refuse(tmp_path, {k: v for k, v in good.items() if k != "fc7.bias"}, r"lacks fc7\.bias")
    wrong = {**good, "fc6.weight": torch.zeros(1).expand(4096, 4608)}
    refuse(tmp_path, wrong, r"fc6\.weight has shape \(4096, 4608\), expected \(4096, 8192\)")
    nan = {**good, "fc7.bias": torch.full((1,), float("nan")).expand(4096)}
    refuse(tmp_path, nan, r"fc7\.bias holds NaN")
    refuse(tmp_path, {"layer4.0.conv1.weight": torch.zeros(1)}, "layer4")
    refuse(tmp_path, [1, 2], "no tensors")


def test_weights_of_another_training_are_refused(tmp_path):
    refuse(tmp_path, tensors(PYTORCH, head=("fc8", 101)), "expected \\(487, 4096\\)")
    refuse(tmp_path, tensors(PYTORCH, head=("fc8", 487)), "expected \\(101, 4096\\)", "ucf101")


class Evil:
    def __reduce__(self):
        return (np.save, ("evil.npy", [1]))


def test_code_in_a_file_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refuse(tmp_path, {"conv1.weight": Evil()}, "plain tensors")
    assert not (tmp_path / "evil.npy").exists()


def test_damaged_file(tmp_path):
    (tmp_path / "c3d.pickle").write_bytes(b"\x80\x02broken")
    with pytest.raises(UserError, match="plain tensors"):
        load_weights(tmp_path / "c3d.pickle", "sports1m")


def test_suffix_of_the_name_is_the_beginning_of_the_sha256(tmp_path):
    content = b"weights"
    right = tmp_path / f"c3d-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    wrong = tmp_path / "c3d-dcc47ddc.pth"
    for path in (right, wrong):
        path.write_bytes(content)
    check_suffix(right)
    with pytest.raises(UserError, match=r"dcc47ddc.*incomplete"):
        check_suffix(wrong)
    with pytest.raises(UserError, match=r"incomplete"):
        load_weights(wrong, "sports1m")


def test_a_folder_is_no_weight_file(tmp_path):
    with pytest.raises(UserError, match="is not a file"):
        find_file(str(tmp_path), "sports1m")
