"""Cameras: light, optics and sensor of the four databases."""

from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Camera:
    """What turns a lit face into 8-bit frames."""

    rate: float  # frames a second
    exposure: float  # share of the frame interval during which the shutter is open
    shape: tuple[int, int]  # (rows, columns), size of the face crop
    band: str
    # (3,), direction to the key light: x to the right of the image, y up, z to the camera
    light: tuple[float, float, float]
    ambient: float  # share of the light that comes from everywhere
    falloff: float  # loss of light from the lit side of the crop to the other
    blur: float  # optics, standard deviation in pixels of the crop
    noise: float  # shot noise at full brightness, in grey levels
    gain: float  # grey = 255 * (gain * light) ** gamma
    gamma: float  # grey = 255 * (gain * light) ** gamma
    jpeg: int | None  # quality of the compression
    background: float  # brightness behind the head
    samples: int = 1  # moments averaged over an exposure

    def direction(self) -> NDArray[np.float64]:
        """Return the unit vector to the light."""
        return np.array(self.light) / np.linalg.norm(self.light)

    def develop(
        self, light: NDArray, exposure: float, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Turn the light on the sensor, about 0..1, into an 8-bit frame.

        ``exposure`` multiplies the gain: no two takes are lit alike.
        """
        linear = np.clip(light * np.float32(self.gain * exposure), 1e-4, 1)
        # Shot noise grows with the root of the light; the gamma curve then scales it.
        grey = rng.standard_normal(linear.shape, dtype=np.float32)
        grey *= np.sqrt(linear)
        grey *= self.noise
        grey += 255 * cv2.pow(linear, self.gamma)
        frame = np.clip(np.rint(grey, out=grey), 0, 255, out=grey).astype(np.uint8)
        if self.jpeg is None:
            return frame
        _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, self.jpeg])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


# CASME II: 200 per second, four LED lamps, registered crops stored as JPEG. SMIC: 640 x 480; HS at
# 100 per second in fixed indoor light, VIS and NIR at 25.
CAMERAS = MappingProxyType(
    {
        "casme2": Camera(
            rate=200, exposure=0.9, shape=(290, 240), band="visible", light=(-0.15, 0.45, 0.9),
            ambient=0.36, falloff=0.12, blur=0.55, noise=2.2, gain=1.15, gamma=0.72, jpeg=92,
            background=0.30,
        ),
        "smic_hs": Camera(
            rate=100, exposure=0.9, shape=(194, 160), band="visible", light=(0.55, 0.40, 0.75),
            ambient=0.28, falloff=0.25, blur=0.6, noise=3.4, gain=1.10, gamma=0.78, jpeg=None,
            background=0.45,
        ),
        "smic_vis": Camera(
            rate=25, exposure=0.6, shape=(184, 152), band="visible", light=(0.30, 0.65, 0.70),
            ambient=0.34, falloff=0.18, blur=0.55, noise=2.6, gain=1.05, gamma=0.68, jpeg=None,
            background=0.40, samples=3,
        ),
        "smic_nir": Camera(
            rate=25, exposure=0.6, shape=(174, 144), band="infrared", light=(0.0, 0.05, 1.0),
            ambient=0.14, falloff=0.05, blur=0.7, noise=4.0, gain=0.85, gamma=0.80, jpeg=None,
            background=0.10, samples=3,
        ),
    }
)  # fmt: skip
