"""C3D: a 3-D convolutional network whose hidden layers describe a clip, and its fine-tuning."""

from cdmer_bench.descriptors.c3d.descriptor import C3D, c3d, load_mean

__all__ = ["C3D", "c3d", "load_mean"]
