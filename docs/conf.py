"""Sphinx's settings for the site; `docs/site/build.py` lays out its sources and calls it.

Sphinx with myst-nb, since all of it installs from PyPI and builds without a network: mystmd needs Node and fetches its
themes while it builds. furo has a light and a dark side and loads nothing from elsewhere.
"""

import sys
from pathlib import Path

import ltx_nb

sys.path.insert(0, str(Path(ltx_nb.__file__).parents[1] / "docs" / "site"))

import docstrings
import mathml

project = "ltx-nb"
author = "the ltx-nb authors"
copyright = "the ltx-nb authors, Apache-2.0"
version = release = ltx_nb.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx_copybutton"]
nb_execution_mode = "off"  # the notebooks are shown as they were stored; `make notebooks` runs them
nb_ipywidgets_js = {}  # else from a CDN; widgets are replayed by replay.js
html_math_renderer = "mathml"
nb_merge_streams = True
myst_heading_anchors = 4
default_role = "literal"
smartquotes = False  # quotes in docstrings are Python's

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "ltx-nb"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_extra_path = ["extra"]
html_css_files = ["site.css"]
html_js_files = [("replay.js", {"defer": "defer"}), ("site.js", {"defer": "defer"})]
html_copy_source = False
html_show_sphinx = False
html_last_updated_fmt = None
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
templates_path = []
html_theme_options = {
    "source_repository": "https://github.com/ltx-nb/ltx-nb/",
    "source_branch": "main",
    "source_directory": "docs/",
    "top_of_page_buttons": [],
}


def setup(app):
    app.connect("autodoc-process-docstring", docstrings.process)
    app.add_html_math_renderer("mathml", (mathml.inline, None), (mathml.block, None))
