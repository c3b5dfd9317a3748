"""TrainingPanel: a training as it goes."""

from ltx_widgets.training_panel.widget import TrainingPanel

__all__ = ["TrainingPanel"]
