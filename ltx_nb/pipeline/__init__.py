"""How a request becomes a clip: diffusers' modular blocks with ours among them, and the Session that runs them."""

from ltx_nb.pipeline.session import Session
from ltx_nb.trace import Cancelled

__all__ = ["Cancelled", "Session"]
