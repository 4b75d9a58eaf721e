"""Pages as HTML: Jinja2 with automatic escaping, from templates that are part of the package."""

from importlib import resources

from jinja2 import DictLoader, Environment, StrictUndefined

from zevm.rpc.explorer.formats import FILTERS
from zevm.rpc.explorer.page import Page


class Renderer:
    """Compiled templates; any thread may render. Every value is escaped: no template marks one as safe."""

    def __init__(self) -> None:
        folder = resources.files("zevm.rpc.explorer").joinpath("templates")
        texts = {file.name: file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".html")}
        self._environment = Environment(
            loader=DictLoader(texts),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(FILTERS)

    def render(self, page: Page, *, has_panel: bool) -> bytes:
        """The page in UTF-8. has_panel: whether it leads to the development panel."""
        template = self._environment.get_template(page.template)
        return template.render(page.values, title=page.title, has_panel=has_panel).encode()
