"""Configuration of Sphinx for the pages that build.py lays out."""

from __future__ import annotations

from typing import Any

from edgelearn import __version__

project = "edgelearn"
author = "the authors of edgelearn"
copyright = author
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]

myst_heading_anchors = 4  # the anchors of GitHub

default_role = "code"  # docstrings are read as plain text, too
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
napoleon_google_docstring = False
napoleon_use_ivar = True  # attributes that are properties, too, stand once
napoleon_use_rtype = False
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries = False
maximum_signature_line_length = 100

html_theme = "furo"
html_title = f"edgelearn {__version__}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["extra"]
html_show_sphinx = False
html_show_search_summary = False  # it fetches pages, which a browser refuses where no server delivers them
html_show_copyright = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
highlight_language = "none"
copybutton_exclude = ".linenos, .gp, .go"


def _skip(app: Any, what: str, name: str, found: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what scikit-learn adds to estimators: its docstrings refer to pages of its own."""
    return True if name.startswith("set_") and name.endswith("_request") else None


def setup(app: Any) -> None:
    """Register the filter of members."""
    app.connect("autodoc-skip-member", _skip)
