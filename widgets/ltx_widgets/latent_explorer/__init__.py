"""LatentExplorer: the latents of a clip, cell by cell."""

from ltx_widgets.latent_explorer.widget import LatentExplorer

__all__ = ["LatentExplorer"]
