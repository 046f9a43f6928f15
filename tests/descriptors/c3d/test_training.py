"""Fine-tuning of a narrow network: against plain steps, after a kill, and in the paper's table."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from cdmer_bench.descriptors.c3d.finetuning import Recipe

torch = pytest.importorskip("torch", reason="fine-tuning needs torch")

from cdmer_bench.descriptors.c3d.descriptor import network_input  # noqa: E402
from cdmer_bench.descriptors.c3d.network import C3DNetwork  # noqa: E402
from cdmer_bench.descriptors.c3d.training import (  # noqa: E402
    Samples,
    Training,
    load_tensors,
    split_by_clip,
)
from tests.damages import DAMAGES  # noqa: E402

RECIPE = Recipe(
    n_total=20, n_validation=4, n_steps=4, batch=2, learning_rate=1e-3, decay_every=3,
    validate_every=2, checkpoint_every=2, micro_batch=2,
)  # fmt: skip
MEAN = (95.0, 103.0, 108.0)


def samples(n=8):
    rng = np.random.default_rng(0)
    frames = [rng.uniform(0, 255, (3 + i % 2, 112, 112)).astype("f4") for i in range(n)]
    return Samples(frames, [i % 2 for i in range(n)], lambda clip: network_input(clip, MEAN))


def training(folder, recipe=RECIPE):
    torch.manual_seed(5)
    network = C3DNetwork(487, "caffe", 0.02)
    split = split_by_clip([i % 2 for i in range(8)], recipe.n_total, recipe.n_validation, 0)
    return Training(network, 2, samples(), split, recipe, "cpu", folder / "c.checkpoint", "k")


def equal(a, b):
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


def test_a_step_is_caffes_up_to_the_change_of_rate(tmp_path):
    run = training(tmp_path)
    names = ("conv1a.weight", "fc8.weight", "fc8.bias")
    before = {n: p.detach().clone() for n, p in run.network.named_parameters()}
    run.take_step()
    gradient = {n: p.grad.clone() for n, p in run.network.named_parameters()}
    middle = {n: p.detach().clone() for n, p in run.network.named_parameters()}
    run.take_step()
    after = dict(run.network.named_parameters())
    for name in names:
        rate, decay = (1e-3, 5e-4) if name.endswith("weight") else (2e-3, 0.0)
        first = gradient[name] + decay * before[name]
        assert torch.allclose(middle[name], before[name] - rate * first, atol=1e-8)
        second = 0.9 * first + after[name].grad + decay * middle[name]
        assert torch.allclose(after[name], middle[name] - rate * second, atol=1e-8)
    assert [run.recipe.rate(step) for step in (0, 2, 3)] == pytest.approx([1e-3, 1e-3, 1e-4])


@pytest.mark.parametrize("stop", [1, 3])
def test_a_run_that_is_taken_up_gives_the_same_weights(tmp_path, stop):
    recipe = Recipe(**{**vars(RECIPE), "keep": "best"})
    (tmp_path / "whole").mkdir()
    whole = training(tmp_path / "whole", recipe)
    expected = whole.run()

    class Stopped(Exception):
        pass

    def advance(_):
        nonlocal left
        left -= 1
        if left == 0:
            raise Stopped

    left = stop
    with pytest.raises(Stopped):
        training(tmp_path, recipe).run(advance)
    again = training(tmp_path, recipe)
    assert again.resume() == stop - stop % recipe.checkpoint_every
    assert equal(again.run(), expected)
    assert again.validated == whole.validated
    assert [step for step, _ in whole.validated] == [2, 4]


def test_the_same_seed_gives_the_same_weights_and_another_others(tmp_path):
    runs = [training(tmp_path / str(i), Recipe(**{**vars(RECIPE), "seed": s})).run()
            for i, s in enumerate((0, 0, 1))]  # fmt: skip
    assert equal(runs[0], runs[1])
    assert not equal(runs[0], runs[2])


def test_micro_batches_change_rounding_only(tmp_path):
    whole = training(tmp_path / "a").run()
    parts = training(tmp_path / "b", Recipe(**{**vars(RECIPE), "micro_batch": 1})).run()
    for name, tensor in whole.items():
        assert torch.allclose(tensor, parts[name], atol=1e-5), name


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_set_aside_and_training_begins_anew(tmp_path, damage):
    run = training(tmp_path)
    run.save_checkpoint()
    run.checkpoint.write_bytes(DAMAGES[damage](run.checkpoint.read_bytes()))
    with pytest.warns(UserWarning, match="set aside") as warned:
        assert training(tmp_path).resume() == 0
    assert [str(w.message).split(" is damaged")[0] for w in warned] == [str(run.checkpoint)]
    assert training(tmp_path).resume() == 0
    assert len(list(tmp_path.glob("*.damaged-0"))) == 1


def test_the_checkpoint_of_another_training_is_set_aside(tmp_path):
    run = training(tmp_path)
    run.save_checkpoint()
    with pytest.warns(UserWarning, match="another training"):
        assert load_tensors(run.checkpoint, "other") is None


KILLED = """
    import sys
    from pathlib import Path
    sys.path.insert(0, {root!r})
    from tests.descriptors.c3d.test_training import training
    run = training(Path({folder!r}))
    print(run.resume(), flush=True)
    run.run(lambda _: print("step", flush=True))
"""


def test_a_killed_process_goes_on_from_its_checkpoint(tmp_path):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = textwrap.dedent(KILLED).format(root=root, folder=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    lines = [process.stdout.readline() for _ in range(4)]  # "0" and three steps
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert lines == ["0\n"] + 3 * ["step\n"]
    again = training(tmp_path)
    assert again.resume() >= 2
    (tmp_path / "whole").mkdir()
    assert equal(again.run(), training(tmp_path / "whole").run())
