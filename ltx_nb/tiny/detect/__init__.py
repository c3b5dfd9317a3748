"""Analytic detectors: what a clip of the tiny world shows and what it sounds like, by arithmetic alone.

They know the world's palette, room and strikes, but no model, no caption and no ground truth. Anything they cannot name
is "none".
"""

from .outline import Outline, outline
from .picture import Seen, see
from .sound import Heard, hear, lags_s

__all__ = ["Heard", "Outline", "Seen", "hear", "lags_s", "outline", "see"]
