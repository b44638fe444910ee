"""Claims as types, read from ``claims.yaml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field

from benchmark.core import strict_yaml
from benchmark.core.errors import UserError
from benchmark.core.schema import PROSE, Strict, at_line, read, validated
from benchmark.report.claims.checks import Figure
from benchmark.report.claims.rules import Rule

SOURCE = Path(__file__).with_name("claims.yaml")


class Claim(Strict):
    """One statement of the paper. published: what it prints of it. ours: whether the paper does not
    say it. substitutes: datasets whose runs, with other settings, are told of beside.
    """

    id: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    text: str = Field(pattern=PROSE)
    place: str = Field(pattern=PROSE)
    published: str = Field("", max_length=80)
    ours: bool = False
    substitutes: tuple[str, ...] = ()
    rule: Rule

    @property
    def computed(self) -> bool:
        """Whether it rests on a figure's table, and on no runs."""
        return isinstance(self.rule, Figure)

    def on(self, dataset: str) -> Claim:
        """The same of another dataset."""
        return self.model_copy(update={"rule": self.rule.model_copy(update={"dataset": dataset})})


class Ledger(Strict):
    """The file."""

    claims: tuple[Claim, ...] = Field(min_length=1)


@cache
def load(path: Path = SOURCE) -> tuple[Claim, ...]:
    """The claims of a file. Raises UserError on a malformed one."""
    text = read(path)
    values = strict_yaml.load(text, path.name)
    if not isinstance(values, dict):
        raise UserError(f"{path.name}: expected a list named claims")

    def where(place: tuple) -> str:
        return path.name + at_line(text, [place[:n] for n in range(len(place), 0, -1)])

    found = validated(Ledger, values, where).claims
    ids = [claim.id for claim in found]
    for name in ids:
        if ids.count(name) > 1:
            raise UserError(f"{path.name}: the claim {name!r} stands twice")
    return found
