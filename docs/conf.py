"""How Sphinx builds the documentation: ``nox -s docs``. Nothing is fetched while it builds."""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in tests/conftest.py
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

import skalign  # noqa: E402

project = "skalign"
author = "The skalign developers"
copyright = author
version = release = skalign.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.linkcode",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "mathml",  # the last three are in _ext
    "links",
    "gallery",
]
exclude_patterns = ["_build", "README.md", "examples/*.rst"]
templates_path = ["_templates"]
nitpicky = True
default_role = "autolink"
add_function_parentheses = False
toc_object_entries_show_parents = "hide"

# -- pages ----------------------------------------------------------------------------------------
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# -- reference ------------------------------------------------------------------------------------
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False


def linkcode_resolve(domain, info):
    """Lines of a public name in the repository."""
    from links import source_of

    return source_of(info["module"], info["fullname"]) if domain == "py" else None


# -- tutorials ------------------------------------------------------------------------------------
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skalign",),
    "reference_url": {"skalign": None},
    "reset_modules": ("matplotlib", "gallery.plain_style"),
    "reset_modules_order": "both",
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}

# -- looks ----------------------------------------------------------------------------------------
html_theme = "pydata_sphinx_theme"
html_title = "skalign"
html_static_path = ["_static"]
html_css_files = ["skalign.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "github_url": "https://github.com/skalign/skalign",
    "logo": {"text": "skalign"},
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "two_csv_files": []}
