"""What there is to name on the command line, with a line each; and a method's settings."""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize
from typing import TYPE_CHECKING, NamedTuple

from benchmark.artefacts import ARTEFACTS, module
from benchmark.core.errors import unknown
from benchmark.core.modules import config_class, load_module
from benchmark.core.paths import ROOT
from benchmark.data import DATASETS
from benchmark.experiments import strays
from benchmark.experiments.plugins import known
from benchmark.experiments.presets import experiments, scales
from benchmark.experiments.variants import named_variants
from methods import REGISTRY

if TYPE_CHECKING:
    from pydantic import BaseModel

MEANING = {  # of settings that most methods have; where each default is from stands beside it
    "eta_theta": "step size of the generator",
    "eta_phi": "step size of the estimator",
    "eta_psi": "step size of the discriminator",
    "eta_xi": "step size of the encoder",
    "beta1": "Adam's decay of the mean gradient",
    "beta2": "Adam's decay of the mean square",
    "eps_root": "Adam's constant inside the square root",
    "n_critic": "discriminator updates per generator update",
}
WIDTH = 100  # columns of a terminal


def listing() -> str:
    """Methods, their named variants, data, experiments, presets and artefacts; imports nothing
    heavy.
    """
    blocks = {
        "methods (--methods)": {key: first_line(name) for key, name in REGISTRY.items()},
        "variants of methods (--methods)": {
            f"{key}[{name}]": entry["why"]
            for key, variants in named_variants().items()
            for name, entry in variants.items()
        },
        "data, what points are drawn from": {key: entry.title for key, entry in DATASETS.items()},
        "experiments, what is compared on them (--dataset)": {
            key: f"{entry.about} (in {', '.join(entry.at)})" for key, entry in experiments().items()
        },
        "presets, how much of it (--preset)": {key: scale.about for key, scale in scales().items()},
        "artefacts, what is drawn (--reproduce)": {
            key: first_line(module(key)) for key in ARTEFACTS
        },
    }
    return "\n".join(
        line
        for title, entries in blocks.items()
        for line in (f"{title}:", *(f"  {key:30} {text}" for key, text in entries.items()))
    )


def first_line(name: str) -> str:
    """First line of a module's docstring, read without importing it."""
    source = ROOT.joinpath(*name.split(".")).with_suffix(".py").read_text()
    return (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]


def settings(method: str, plugins: tuple[str, ...] = ()) -> str:
    """A method's settings: name, default, and what the code says of meaning and source. Raises
    UserError on an unknown name.
    """
    modules = known(plugins).modules
    if method not in modules:
        raise unknown("method", method, modules)
    module = load_module(modules[method])
    lines = [(module.__doc__ or method).strip().splitlines()[0], ""]
    title = ""
    for one in described(config_class(module)):
        lines += [one.title] if one.title != title else []
        title = one.title
        head = f"  {one.name:14} {one.default:10} "
        lines += textwrap.wrap(
            one.text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head)
        ) or [head.rstrip()]
    last = "Presets set others for some data; settings.json of a run has its own."
    return "\n".join([*lines, "", f"Change one: --set {method}.NAME=VALUE. {last}"])


class Setting(NamedTuple):
    """text: its meaning, then where its default is from. title: of the class it stands in."""

    title: str
    name: str
    default: str
    text: str


def described(model: type[BaseModel]) -> list[Setting]:
    """The settings of a method's class, its own first, then those it shares."""
    of_estimators = strays.owners() if "estimator" in model.model_fields else {}
    found: dict[str, Setting] = {}
    for cls in model.__mro__:
        if cls.__module__ == "pydantic.main":
            break
        title = " ".join(inspect.getdoc(cls).partition("\n\n")[0].split())
        for name, comment in comments(cls).items():
            owners = of_estimators.get(name, [])
            parts = [f"({', '.join(owners)})" if owners else "", MEANING.get(name, ""), comment]
            text = "; ".join(filter(None, parts)).replace("); ", ") ", 1)
            found.setdefault(
                name, Setting(title, name, str(model.model_fields[name].default), text)
            )
    return list(found.values())


def comments(cls: type) -> dict[str, str]:
    """The settings that a class names -> the comment beside each, or above it."""
    source = textwrap.dedent(inspect.getsource(cls))
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    at = {t.start[0]: t for t in tokens if t.type == tokenize.COMMENT}
    (tree,) = ast.parse(source).body
    found = {}
    for line in (node for node in tree.body if isinstance(node, ast.AnnAssign)):
        rows = [n for n in range(line.lineno, line.end_lineno + 1) if n in at]
        if not rows:
            above = line.lineno - 1
            while above in at and alone(at[above]):
                rows, above = [above, *rows], above - 1
        found[line.target.id] = " ".join(at[n].string.lstrip("# ") for n in rows)
    return found


def alone(comment: tokenize.TokenInfo) -> bool:
    """Whether it stands on a line of its own."""
    return comment.line.lstrip().startswith("#")
