"""Widgets on ltx_nb for JupyterLab, Notebook, VS Code and Colab: they know traits and plain data, never torch."""
