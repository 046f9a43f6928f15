"""Spatiotemporal descriptors, each a plain function on a clip of shape (T, H, W)."""

# Imported here and not on demand, because `lbp_top` and the others are also names of modules:
# once those are imported, the package would show the module in the place of the function.
from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.descriptors.c3d import C3D, c3d
from cdmer_bench.descriptors.higo_top import HIGOTOP, higo_top
from cdmer_bench.descriptors.hog_top import HOGTOP, hog_top
from cdmer_bench.descriptors.i3d import I3D
from cdmer_bench.descriptors.lbp_sip import LBPSIP, lbp_sip
from cdmer_bench.descriptors.lbp_top import LBPTOP, lbp_top
from cdmer_bench.descriptors.lpq_top import LPQTOP, lpq_top

__all__ = [
    "C3D",
    "HIGOTOP",
    "HOGTOP",
    "I3D",
    "LBPSIP",
    "LBPTOP",
    "LPQTOP",
    "Descriptor",
    "c3d",
    "higo_top",
    "hog_top",
    "lbp_sip",
    "lbp_top",
    "lpq_top",
]
