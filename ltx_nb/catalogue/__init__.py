"""The catalogue: which models, checkpoints and components exist, how large, under which licence. Knows no tensors."""
