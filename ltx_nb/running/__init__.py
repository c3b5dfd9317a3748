"""Running: how weights and activations lie while a model runs. Knows no requests and no files of a model."""
