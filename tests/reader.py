"""What a page holds: its tags and words, and questions to a browser that shows it."""

from __future__ import annotations

from html.parser import HTMLParser

PICTURES = "[...document.images].every(i => i.complete && i.naturalWidth > 0)"
WIDTHS = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
COLOURS = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"


class Reader(HTMLParser):
    """Tags with their attributes, ids, and the text that a reader sees."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._unseen = False
        self.feed(text)
        self.ids = {a["id"] for _, a in self.tags if "id" in a}
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._unseen = tag in ("script", "style")

    def handle_endtag(self, tag):
        self._unseen = False

    def handle_data(self, data):
        if not self._unseen:
            self.words.append(data)

    def all(self, tag: str, attribute: str) -> list[str]:
        return [a[attribute] for t, a in self.tags if t == tag and a.get(attribute) is not None]
