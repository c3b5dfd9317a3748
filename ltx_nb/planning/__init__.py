"""Planning: what a run takes of a machine, before anything is loaded. Knows no tensors."""
