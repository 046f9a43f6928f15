"""Compiled forms of the descriptors' loops: codes of a clip, counted per cell of a block layout.

Each gives what the NumPy form beside its caller gives, bit for bit. A clip is taken as one long
row of voxels, with offsets in place of neighbours, and plain loops over few arrays run over a
frame of it, for such loops become vector instructions. Values computed across the end of one
line and the beginning of the next are discarded.
"""

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.compiled import kernel

Floats = NDArray[np.float64]
Integers = NDArray[np.integer]
Bytes = NDArray[np.uint8]
RESPONSES = np.array([5, 6, 7, 10, 13, 14, 15, 16])  # rows of Re1, Im1, ..., Re4, Im4
CHUNK = 1024  # positions at a time, whose values stay in the fast memory


@kernel
def count_axis_codes(
    clip: Floats,  # (T, H, W)
    R: int,
    sign: float,  # 1, or -1 to compare the negative of the clip
    margin: float,  # neighbours as bright as the centre less this count as brighter
    cell: Integers,  # (H - 2R, W - 2R), the first of a cell's counts
    counts: Integers,  # (n_cells * 64,), added to
) -> None:
    """Count joint codes of six voxels on the axes, in the order +x, -y, -x, +y, +t, -t."""
    n_frames, height, width = clip.shape
    voxels, size = clip.reshape(clip.size), height * width
    n = (height - 2 * R) * width - 2 * R
    offsets = (R, -R * width, -R, R * width, R * size, -R * size)
    threshold, codes = np.empty(n), np.empty(n, dtype=np.uint8)
    for t in range(R, n_frames - R):
        first = (t * height + R) * width + R
        _less(voxels[first:], sign, margin, threshold)
        codes[:] = 0
        for i in range(6):
            _set_bit(voxels[first + offsets[i] :], sign, threshold, 1 << i, codes)
        for y in range(height - 2 * R):
            for x in range(width - 2 * R):
                counts[cell[y, x] + codes[y * width + x]] += 1


@kernel
def count_circle_codes(
    clip: Floats,
    R: int,
    # As in lbp_top.between: points lie between m and m + 1 voxels away on both axes, with the
    # values V + g V' along each, in units of 1 / scale.
    m: int,
    g: float,
    scale: float,
    margin: float,
    bins: Bytes,  # (256,)
    n_bins: int,
    cell: Integers,  # (H - 2R, W - 2R), the first of a cell's counts
    counts: Integers,  # (n_cells * 3 * n_bins,), added to
) -> None:
    """Count the uniform bins of LBP codes of eight points in XY, XT and YT per cell."""
    n_frames, height, width = clip.shape
    voxels, steps = clip.reshape(clip.size), (height * width, width, 1)
    n = (height - 2 * R) * width - 2 * R
    threshold, scaled = np.empty(n), np.empty(n)
    codes = np.empty((3, n), dtype=np.uint8)
    for t in range(R, n_frames - R):
        first = (t * height + R) * width + R
        _less(voxels[first:], 1.0, margin, threshold)
        for i in range(n):
            scaled[i] = threshold[i] * scale
        for plane in range(3):
            row, column = (1 if plane == 0 else 0), (1 if plane == 2 else 2)
            bits = codes[plane]
            bits[:] = 0
            for corner in range(4):
                # On the axes: right, up, left and down; each followed by the corner after it.
                axis = column if corner % 2 == 0 else row
                offset = steps[axis] * R * (1 if corner % 4 in (0, 3) else -1)
                _set_bit(voxels[first + offset :], 1.0, threshold, 1 << 2 * corner, bits)
                down = steps[row] if corner >= 2 else -steps[row]
                right = -steps[column] if corner in (1, 2) else steps[column]
                near = first + m * (down + right)
                _set_corner(voxels[near:], voxels[near + right :], voxels[near + down :],
                            voxels[near + down + right :], g, scaled, 2 << 2 * corner, bits
                            )  # fmt: skip
        second, third = np.uint64(n_bins), np.uint64(2 * n_bins)
        for y in range(height - 2 * R):
            for x in range(width - 2 * R):
                i, k = y * width + x, cell[y, x]
                counts[k + bins[codes[0, i]]] += 1
                counts[k + second + bins[codes[1, i]]] += 1
                counts[k + third + bins[codes[2, i]]] += 1


@kernel
def _less(centre: Floats, sign: float, margin: float, threshold: Floats) -> None:
    for i in range(len(threshold)):
        threshold[i] = sign * centre[i] - margin


@kernel
def _set_bit(neighbour: Floats, sign: float, threshold: Floats, bit: int, codes: Bytes
             ) -> None:  # fmt: skip
    """Set a bit of the codes where a neighbour reaches the threshold."""
    one, zero = np.uint8(bit), np.uint8(0)
    for i in range(len(codes)):
        codes[i] |= one if sign * neighbour[i] >= threshold[i] else zero


@kernel
def _set_corner(near: Floats, beside: Floats, beyond: Floats, far: Floats, g: float,
                threshold: Floats, bit: int, codes: Bytes) -> None:  # fmt: skip
    """Set a bit of the codes where a value between four voxels reaches the threshold."""
    one, zero = np.uint8(bit), np.uint8(0)
    for i in range(len(codes)):
        value = near[i] + g * beside[i] + g * (beyond[i] + g * far[i])
        codes[i] |= one if value >= threshold[i] else zero


@kernel
def sum_gradient_votes(
    clip: Floats,  # (T, H, W)
    magnitude: bool,  # whether votes of the gradient's magnitude are summed, or votes counted
    margin: float,  # components within it of zero, or of each other, are equal
    # (27,), of the state s(row) + 3 s(column) + 9 s(|row| - |column|), where s is 1 for positive
    # values, 2 for negative ones and 0 for zero. Votes are counted for the state itself.
    bins: Bytes,
    n_bins: int,  # of a plane: one more than orientations, or 27 states
    cell: Integers,  # (H - 2, W - 2), the first of a cell's votes
    sums: Floats,  # (n_cells * 3 * n_bins,), added to, in the order (t, y, x) of the voxels
    counts: Integers,  # (n_cells * 3 * n_bins,), added to
) -> None:
    """Add up votes of gradients for the bins of their orientations in XY, XT and YT per cell."""
    n_frames, height, width = clip.shape
    voxels, steps = clip.reshape(clip.size), (height * width, width, 1)
    n = (height - 2) * width - 2
    parts, signs = np.empty((3, n)), np.empty((3, n), dtype=np.uint8)
    states, weights = np.empty((3, n), dtype=np.uint8), np.empty((3, n))
    second, third = np.uint64(n_bins), np.uint64(2 * n_bins)
    for t in range(1, n_frames - 1):
        first = (t * height + 1) * width + 1
        for axis in range(3):
            after, before = voxels[first + steps[axis] :], voxels[first - steps[axis] :]
            _gradient(after, before, margin, parts[axis], signs[axis])
        for plane in range(3):
            row, column = (1 if plane == 0 else 0), (1 if plane == 2 else 2)
            _states(parts[row], parts[column], signs[row], signs[column], margin, states[plane])
            if magnitude:
                _magnitudes(parts[row], parts[column], weights[plane])
        for y in range(height - 2):
            if magnitude:
                for x in range(width - 2):
                    i, k = y * width + x, cell[y, x]
                    sums[k + bins[states[0, i]]] += weights[0, i]
                    sums[k + second + bins[states[1, i]]] += weights[1, i]
                    sums[k + third + bins[states[2, i]]] += weights[2, i]
            else:
                for x in range(width - 2):
                    i, k = y * width + x, cell[y, x]
                    counts[k + states[0, i]] += 1
                    counts[k + second + states[1, i]] += 1
                    counts[k + third + states[2, i]] += 1


@kernel
def _gradient(after: Floats, before: Floats, margin: float, part: Floats, sign: Bytes
              ) -> None:  # fmt: skip
    zero, positive, negative = np.uint8(0), np.uint8(1), np.uint8(2)
    for i in range(len(part)):
        apart = after[i] - before[i]
        part[i] = apart
        sign[i] = (positive if apart > margin else zero) | (negative if apart < -margin else zero)


@kernel
def _states(row: Floats, column: Floats, row_sign: Bytes, column_sign: Bytes, margin: float,
            states: Bytes) -> None:  # fmt: skip
    zero, larger, smaller = np.uint8(0), np.uint8(9), np.uint8(18)
    for i in range(len(states)):
        apart = abs(row[i]) - abs(column[i])
        order = (larger if apart > margin else zero) | (smaller if apart < -margin else zero)
        states[i] = order + row_sign[i] + np.uint8(3) * column_sign[i]


@kernel
def _magnitudes(row: Floats, column: Floats, weights: Floats) -> None:
    for i in range(len(weights)):
        weights[i] = np.sqrt(row[i] * row[i] + column[i] * column[i])


@kernel
def count_phase_codes(
    clip: Floats,  # (T, H, W)
    wave: Floats,  # (4,), cos a, sin a, cos 2a, sin 2a, a = 2 pi / 5
    # (2, 8, 4), for XY and the planes with time: bit j of a code is set where
    # sum_k factors[j, k] r[chosen[j, k]] >= -margin, r being the rows RESPONSES of the work.
    chosen: Integers,
    factors: Floats,
    margin: float,
    xy_cell: Integers,  # the first of a cell's counts
    yt_cell: Integers,
    xt_cell: Integers,
    counts: Integers,  # (3, n_cells * 256), added to
) -> None:
    """Count LPQ codes of windows of five by five in XY, YT and XT per cell.

    The four filters are products of filters along one axis, so a response takes three sums of
    five values along the rows and eight along the columns instead of eight of 25.
    """
    n_frames, height, width = clip.shape
    # A copy: the arrays of all sums are of one kind, so that their loops are compiled once.
    voxels, size = clip.reshape(clip.size).copy(), height * width
    # Sums along y and along x: plain, and the real and the imaginary part of the wave.
    sums = np.empty((2, 3, clip.size))
    work, codes = np.empty((17, CHUNK)), np.empty(size, dtype=np.uint8)
    for axis in range(2):
        step = width if axis == 0 else 1
        edge = 2 * step
        for begin in range(edge, clip.size - edge, CHUNK):
            end = min(begin + CHUNK, clip.size - edge)
            _five(voxels, begin, step, wave, work, sums[axis, 0, begin:end],
                  sums[axis, 1, begin:end], sums[axis, 2, begin:end])  # fmt: skip
    for t in range(n_frames):
        first = t * size
        for plane in range(3 if 2 <= t < n_frames - 2 else 1):
            lost_rows, lost_columns = (0 if plane == 2 else 4), (0 if plane == 1 else 4)
            cell = xy_cell if plane == 0 else yt_cell if plane == 1 else xt_cell
            start = first + (lost_rows * width + lost_columns) // 2
            n = size - lost_rows * width - lost_columns
            kind = min(plane, 1)
            _phase_codes(sums[plane // 2], start, n, 1 if plane == 0 else size, wave,
                         chosen[kind], factors[kind], -margin, work, codes)  # fmt: skip
            for y in range(height - lost_rows):
                for x in range(width - lost_columns):
                    counts[plane, cell[y, x] + codes[y * width + x]] += 1


@kernel
def _phase_codes(sums: Floats, start: int, n: int, step: int, wave: Floats, chosen: Integers,
                 factors: Floats, threshold: float, work: Floats, codes: Bytes
                 ) -> None:  # fmt: skip
    """Set the codes of n positions from sums along the rows."""
    for done in range(0, n, CHUNK):
        m = min(CHUNK, n - done)
        for k in range(3):
            u, c, s = work[4 + 3 * k, :m], work[5 + 3 * k, :m], work[6 + 3 * k, :m]
            _five(sums[k], start + done, step, wave, work, u, c, s)
        for k in range(2):
            sign = -1.0 if k == 0 else 1.0
            _add(work[8], work[12], sign, work[13 + 2 * k, :m])
            _add(work[11], work[9], -sign, work[14 + 2 * k, :m])
        part = codes[done : done + m]
        part[:] = 0
        for bit in range(8):
            a, b, c, d = chosen[bit, 0], chosen[bit, 1], chosen[bit, 2], chosen[bit, 3]
            _set_phase(work[a], work[b], work[c], work[d], factors[bit], threshold, 1 << bit,
                       part)  # fmt: skip


@kernel
def _five(values: Floats, begin: int, step: int, wave: Floats, work: Floats, plain: Floats,
          real: Floats, imaginary: Floats) -> None:  # fmt: skip
    """Add up the values at -2 to 2 steps, as they are and times exp(2 pi i k / 5)."""
    n, centre = len(plain), values[begin:]
    for k in range(4):
        step_k, sign = (1 + k % 2) * step, 1.0 if k < 2 else -1.0
        _add(values[begin + step_k :], values[begin - step_k :], sign, work[k, :n])
    p1, p2, m1, m2 = work[0], work[1], work[2], work[3]
    for i in range(n):
        plain[i] = centre[i] + p1[i] + p2[i]
    for i in range(n):
        real[i] = centre[i] + wave[0] * p1[i] + wave[2] * p2[i]
    for i in range(n):
        imaginary[i] = wave[1] * m1[i] + wave[3] * m2[i]


@kernel
def _add(one: Floats, other: Floats, factor: float, out: Floats) -> None:
    for i in range(len(out)):
        out[i] = one[i] + factor * other[i]


@kernel
def _set_phase(a: Floats, b: Floats, c: Floats, d: Floats, v: Floats, threshold: float, bit: int,
               codes: Bytes) -> None:  # fmt: skip
    one, zero = np.uint8(bit), np.uint8(0)
    v0, v1, v2, v3 = v[0], v[1], v[2], v[3]
    for i in range(len(codes)):
        response = v0 * a[i] + v1 * b[i] + v2 * c[i] + v3 * d[i]
        codes[i] |= one if response >= threshold else zero
