"""How the tiny model's weights are made, one module a stage; `python -m ltx_nb.tiny.train` runs them in order."""
