"""YAML as people mean it: the core schema of YAML 1.2, and nothing that can surprise or harm.

``1e-3`` is a number, ``yes`` and ``1:30`` are text. Tags, aliases, duplicate keys, deep nesting and
large files are refused, with the line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

from benchmark.core.errors import UserError, shortened

LARGEST = 64_000  # characters; the shipped presets have 3,000
DEEPEST = 20
INTEGER = re.compile(r"[-+]?[0-9]+$")
FLOAT = re.compile(
    r"([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"
)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict = {}
    depth = 0

    def compose_node(self, parent, index):
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            self._refuse("anchors and aliases are not allowed")
        if getattr(event, "tag", None):
            self._refuse(f"the tag {shortened(event.tag)!r} is not allowed")
        if self.depth >= DEEPEST:
            self._refuse(f"nested deeper than {DEEPEST} levels")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def fetch_flow_collection_start(self, token_class):
        if self.flow_level >= DEEPEST:  # the scanner's time grows with the square of the depth
            problem = f"nested deeper than {DEEPEST} levels"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=self.get_mark())
        super().fetch_flow_collection_start(token_class)

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        for i, (key, _) in enumerate(node.value):
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="keys are words", problem_mark=key.start_mark)
            if key.value in keys[:i]:
                problem = f"{shortened(key.value)!r} is set twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
        return super().construct_mapping(node, deep)

    def _refuse(self, problem: str):
        mark = self.peek_event().start_mark
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


for _tag, _pattern, _first in (
    ("null", re.compile(r"(~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"(true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("int", INTEGER, list("-+0123456789")),
    ("float", FLOAT, list("-+0123456789.")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, _first)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda self, node: int(node.value))


def load(text: str, where: str) -> Any:
    """The value of a YAML text. Raises UserError naming ``where`` and the line."""
    return _checked(text, where, lambda loader: loader.get_single_data())


def line(text: str, *places: Sequence[str | int]) -> int | None:
    """The line of the first of these places that the text has: keys and indices from the top."""
    root = _checked(text, "", lambda loader: loader.get_single_node())
    for place in filter(None, places):
        found, node = None, root
        for step in place:
            found, node = _child(node, step)
        if found is not None:
            return found.start_mark.line + 1
    return None


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    """What names a part of a node (its key, or itself in a list), and the part."""
    if isinstance(node, yaml.MappingNode):
        return next((pair for pair in node.value if pair[0].value == str(step)), (None, None))
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None, None


def _checked(text: str, where: str, action) -> Any:
    if len(text) > LARGEST:
        raise UserError(f"{where}: longer than {LARGEST:,} characters")
    try:
        loader = _Loader(text)
        try:
            return action(loader)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}" if mark and "\n" in text.strip() else ""
        problem = shortened(str(error.problem or error.context))
        raise UserError(f"{where}{place}: {problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{where}: {shortened(str(error))}") from None
