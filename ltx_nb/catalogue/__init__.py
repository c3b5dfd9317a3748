"""Which models there are: where their weights lie, how they are sampled, and how many parameters they have."""

from ltx_nb.catalogue.checkpoints import find_model
from ltx_nb.catalogue.models import MODELS, Model, named_model
from ltx_nb.catalogue.parameters import ParameterCounts, parameter_counts

__all__ = ["MODELS", "Model", "ParameterCounts", "find_model", "named_model", "parameter_counts"]
