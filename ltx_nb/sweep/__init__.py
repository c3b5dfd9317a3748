"""Many requests over many workers, on an existing engine: this process, processes here, or a Dask cluster."""

from ltx_nb.sweep.grid import grid
from ltx_nb.sweep.run import Row, sweep
from ltx_nb.sweep.tables import to_csv, to_frame

__all__ = ["Row", "grid", "sweep", "to_csv", "to_frame"]
