"""Guidance as people write it (Markdown) to HTML that is safe to show."""

from __future__ import annotations

import nh3
from markdown_it import MarkdownIt

_TAGS = {
    "a", "b", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_SCHEMES = {"http", "https", "mailto", "tel"}
_MAX_TEXT = 100_000


class Guidance:
    """Renders guidance. Whoever may edit a tree may not run scripts in a control room's browsers."""

    def __init__(self) -> None:
        self._markdown = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True}).enable(["table", "strikethrough"])

    def html(self, text: str) -> str:
        """Clean HTML of a Markdown text: no scripts, styles, images or forms; links open elsewhere and tell nothing of where from."""
        rendered = self._markdown.render(text[:_MAX_TEXT])
        return nh3.clean(
            rendered,
            tags=_TAGS,
            attributes={"a": {"href", "title"}},
            url_schemes=_SCHEMES,
            link_rel="noopener noreferrer",
            set_tag_attribute_values={"a": {"target": "_blank"}},
        )
