"""ComfyUI workflows in and out: what a workflow makes as a request, and a request as a workflow. Makes no clips."""

from ltx_nb.comfy.reading import Imported, from_comfyui
from ltx_nb.comfy.writing import to_comfyui

__all__ = ["Imported", "from_comfyui", "to_comfyui"]
