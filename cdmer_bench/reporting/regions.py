"""Weights of facial blocks on a schematic face: each grid, and all of them over one another."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.protocol import BLOCK_GRIDS, BLOCK_GRIDS_OF_THE_TEXT
from cdmer_bench.reporting.plot_style import AREA, TWO, is_narrow, new_figure, remark, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Known sets of grids by their number of blocks; the default and the paper's literal one.
KNOWN_GRIDS = {sum(g * g for g in grids): grids for grids in (BLOCK_GRIDS, BLOCK_GRIDS_OF_THE_TEXT)}


def grids_of(n_blocks: int) -> tuple[int, ...]:
    """Return the grids that make up so many blocks."""
    if n_blocks in KNOWN_GRIDS:
        return KNOWN_GRIDS[n_blocks]
    raise UserError(
        f"{n_blocks} blocks are neither the grids 1, 2, 4, 8 (85) nor 1, 2, 3, 4 (30); "
        "name the grids"
    )


def block_images(
    # (n_blocks,), in the features' order: grid by grid, within a grid column by column from the
    # left, a column from the top
    weights: ArrayLike,
    # blocks a side of each grid; by default found from the number of blocks
    grids: tuple[int, ...] | None = None,
) -> list[NDArray]:
    """Arrange block weights as images, row 0 at the top of the face."""
    values = np.asarray(weights, dtype=float)
    sides = grids_of(len(values)) if grids is None else grids
    if sum(g * g for g in sides) != len(values):
        raise UserError(f"grids {sides} have {sum(g * g for g in sides)} blocks, not {len(values)}")
    ends = np.cumsum([g * g for g in sides])
    parts = np.split(values, ends[:-1])
    return [part.reshape(g, g).T for g, part in zip(sides, parts, strict=True)]


def overlay(
    images: Sequence[NDArray],  # sequence of ndarray, shape (g, g)
) -> NDArray[np.float64]:
    """Lay grids over one another: at each place the sum of the weights of its blocks."""
    side = math.lcm(*map(len, images))
    stretched = [np.kron(g, np.ones((side // len(g),) * 2)) for g in images]
    return np.sum(stretched, axis=0)


def shares(images: Sequence[NDArray]) -> list[float]:
    """Return the share of the whole weight that each grid holds; 0 where all weights are 0."""
    total = max(sum(float(image.sum()) for image in images), 1e-300)
    return [float(image.sum()) / total for image in images]


def region_picture(
    weights: ArrayLike,
    name: str,
    grids: tuple[int, ...] | None = None,
    synthetic: bool = False,
    setting: str = "",
    width: float = TWO,
) -> "Figure":
    """Draw the weights of all grids over one another, and of each grid, behind a sketched face.

    The face is a drawing and belongs to nobody; no frame of a database is shown. Weights of zero
    are white. The single grids share one scale; ``setting`` is what the weights belong to.
    """
    images = block_images(weights, grids)
    narrow, n = is_narrow(width), len(images)
    figure = new_figure(width, 4.2 if narrow else 0.4 * width)
    spec = (
        figure.add_gridspec(2, n, height_ratios=(2, 1))
        if narrow
        else figure.add_gridspec(1, n + 1, width_ratios=(1.3, *[1] * n))
    )
    both, largest = overlay(images), max(max(float(image.max()) for image in images), 1e-300)
    whole = figure.add_subplot(spec[0, :] if narrow else spec[0, 0])
    shown = _blocks(whole, both, max(float(both.max()), 1e-300))
    whole.set_title("all grids")
    figure.colorbar(shown, ax=whole, label="sum of weights", location="bottom", shrink=0.8)
    panels = [figure.add_subplot(spec[1, i] if narrow else spec[0, i + 1]) for i in range(n)]
    for axes, image, share in zip(panels, images, shares(images), strict=True):
        shown = _blocks(axes, image, largest)
        g, kept = len(image), int(np.count_nonzero(image))
        text = f"{g} x {g}\n{kept} of {g * g} kept\n{100 * share:.0f} % of weight"
        axes.set_title(text, size=5.5 if narrow else 6.5)
    figure.colorbar(shown, ax=panels, label="weight of a block", location="bottom", shrink=0.5)
    title(figure, name, synthetic)
    chosen = f"Setting: {setting}. " if setting else ""
    remark(figure, f"{chosen}White blocks have weight zero; the face is a sketch.")
    return figure


def _blocks(axes: "Axes", image: NDArray, largest: float) -> Any:
    """Draw one grid of blocks with the face."""
    g = len(image)
    shown = axes.imshow(image, cmap=AREA, vmin=0, vmax=largest, extent=(0, 1, 1, 0))
    for line in range(g + 1):
        axes.axhline(line / g, color="#BBBBBB", linewidth=0.3)
        axes.axvline(line / g, color="#BBBBBB", linewidth=0.3)
    _face(axes)
    axes.set_axis_off()
    axes.set(xlim=(-0.01, 1.01), ylim=(1.01, -0.01))
    return shown


def _face(axes: "Axes") -> None:
    """Draw brows, eyes, nose, mouth and outline as in a cropped and aligned face."""
    from matplotlib.patches import Ellipse

    ink: dict[str, Any] = {"color": "black", "linewidth": 0.8}
    axes.add_patch(Ellipse((0.5, 0.5), 0.94, 1.16, fill=False, clip_on=True, **ink))
    t = np.linspace(0, 1, 20)
    for side in (-1, 1):
        centre = 0.5 + side * 0.22
        axes.add_patch(Ellipse((centre, 0.33), 0.2, 0.085, fill=False, **ink))
        axes.add_patch(Ellipse((centre, 0.33), 0.055, 0.07, color="black"))
        axes.plot(centre + side * 0.26 * (t - 0.5), 0.235 - 0.09 * t * (1 - t) * 2, **ink)
        axes.plot(0.5 + side * 0.075 * np.sin(np.pi * t * 0.9), 0.6 + 0.05 * (1 - t) ** 2, **ink)
    axes.plot(0.5 + 0.34 * (t - 0.5), 0.795 - 0.03 * np.sin(3 * np.pi * t) ** 2, **ink)
    axes.plot(0.5 + 0.34 * (t - 0.5), 0.795 + 0.3 * t * (1 - t), **ink)
