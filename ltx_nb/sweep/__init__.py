"""Many requests over many workers, on an existing engine: this process, processes here, or a Dask cluster."""

from ltx_nb.sweep.grid import grid
from ltx_nb.sweep.run import Row, sweep, to_frame

__all__ = ["Row", "grid", "sweep", "to_frame"]
