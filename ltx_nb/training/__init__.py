"""Training: LoRAs of a loaded model, on clips of your own. Knows the engine; not the tiny model in particular."""

from ltx_nb.training.dataset import Example, read_dataset
from ltx_nb.training.lora import TrainingLog, train_lora

__all__ = ["Example", "TrainingLog", "read_dataset", "train_lora"]
