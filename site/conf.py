"""The documentation site: the repository's pages as they are, under the navigation in navigation.md. `scripts/docs` builds it."""

from pathlib import Path

from sphinx.application import Sphinx

NAVIGATION = Path(__file__).with_name("navigation.md")

project = "Tandem"
html_title = "Tandem"
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "charts/tandem/*.md", "manifests/*.md", "manifests/**/*.md"]
exclude_patterns = [".*", "dist", "node_modules", "services", "site", "tests"]

myst_heading_anchors = 4  # the anchors that forges make, so that page.md#heading leads there, too
myst_enable_extensions = ["attrs_inline"]
pygments_style, pygments_dark_style = "tango", "native"

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_copyright = html_show_sphinx = html_copy_source = False
html_favicon = "../services/tandem/http/ui/favicon.svg"
html_theme_options = {
    "footer_icons": [],
    "light_css_variables": {
        "color-brand-primary": "#0d6b5e",
        "color-brand-content": "#0d6b5e",
        "color-brand-visited": "#0d6b5e",
    },
    "dark_css_variables": {
        "color-brand-primary": "#4fb8a6",
        "color-brand-content": "#4fb8a6",
        "color-brand-visited": "#4fb8a6",
    },
}


def _navigation(_app: Sphinx, page: str, source: list[str]) -> None:
    """Puts the menu under the first page, which forges show without it."""
    if page == root_doc:
        source[0] += NAVIGATION.read_text(encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Sphinx calls it."""
    app.connect("source-read", _navigation)
