"""Sphinx settings; `nox -s docs` builds, with warnings as errors."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "Kusari"
author = "Kusari contributors"
copyright = "2026, Kusari contributors"
release = importlib.metadata.version("kusari")
version = ".".join(release.split(".")[:2])

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "public_names"]
default_role = "py:obj"  # `name` links to what goes by that name
suppress_warnings = ["ref.python"]  # such as Parameter, which is a Variable in one module and a link in another
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"description": "Define-by-run deep learning with pluggable backends", "fixed_sidebar": True}

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
