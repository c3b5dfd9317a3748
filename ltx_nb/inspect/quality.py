"""How far one picture or sound is from another: PSNR, SSIM and mel distance. Arrays in, numbers out."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

MAX_LEVEL = 255.0
DB_PER_NEPER = 20 / np.log(10)
# Wang et al., "Image quality assessment: from error visibility to structural similarity" (2004).
SSIM_SIGMA_PX, SSIM_RADIUS_PX = 1.5, 5
SSIM_C1, SSIM_C2 = (0.01 * MAX_LEVEL) ** 2, (0.03 * MAX_LEVEL) ** 2
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # BT.709


def psnr_db(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio of each frame, uint8 [F, H, W, 3] to [F]; infinite where they are the same."""
    error = np.array([np.square(x.astype(np.float32) - y).mean(dtype=np.float64) for x, y in zip(a, b, strict=True)])
    with np.errstate(divide="ignore"):
        return 10 * np.log10(MAX_LEVEL**2 / error)


def ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Structural similarity of each frame's luma, uint8 [F, H, W, 3] to [F]; 1 where they are the same."""
    return np.array([_ssim(x @ LUMA, y @ LUMA) for x, y in zip(a, b, strict=True)])


def _ssim(x: np.ndarray, y: np.ndarray) -> float:
    def local_mean(values: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(values.astype(np.float64), SSIM_SIGMA_PX, radius=SSIM_RADIUS_PX)

    mean_x, mean_y = local_mean(x), local_mean(y)
    variance_x = local_mean(np.square(x, dtype=np.float64)) - mean_x**2
    variance_y = local_mean(np.square(y, dtype=np.float64)) - mean_y**2
    covariance = local_mean(x.astype(np.float64) * y) - mean_x * mean_y
    likeness = (2 * mean_x * mean_y + SSIM_C1) * (2 * covariance + SSIM_C2)
    likeness /= (mean_x**2 + mean_y**2 + SSIM_C1) * (variance_x + variance_y + SSIM_C2)
    # The paper leaves out where the window leaves the picture; a picture smaller than the window has nothing else.
    inner = likeness[SSIM_RADIUS_PX:-SSIM_RADIUS_PX, SSIM_RADIUS_PX:-SSIM_RADIUS_PX]
    return float((inner if inner.size else likeness).mean())


def mel_distance_db(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean absolute difference of log-mel pictures at each mel frame, [2, T, bins] in nepers to [T] in dB."""
    return DB_PER_NEPER * np.abs(a - b).mean((0, 2))
