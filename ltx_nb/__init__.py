"""LTX-2.3 joint audio-video diffusion, step by step, in notebooks."""

__version__ = "0.1.0"
