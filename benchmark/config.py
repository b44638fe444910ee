"""Settings as files and types: presets from YAML, the defaults of a kind of data, one resolved
record per run. ``benchmark.job`` puts them together.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark import strict_yaml
from benchmark.errors import UserError, first_line, shortened, unknown
from methods import REGISTRY

PRESETS = Path(__file__).parent / "presets"
DEFAULTS = Path(__file__).parent / "defaults.yaml"
VARIANTS = Path(__file__).parent / "variants.yaml"
# Those of benchmark.datasets, known without importing torch.
DATASET_NAMES = (
    "ring", "grid", "toy1d", "stacked_mnist", "stacked_digits", "cifar10", "celeba"
)  # fmt: skip
FLAT = ("ring", "grid", "toy1d")  # those of points on a line or in the plane
NAME = r"^[A-Za-z][A-Za-z0-9_]{0,59}$"  # of a dataset: it names folders, tables and panels
PROSE = r"^[^<>$\\`|\x00-\x1f\x7f]{1,300}$"  # inert in HTML, LaTeX, Markdown and a terminal
STUDENTS = "students_"  # begins the names of datasets that are the artefact estimators' alone
STAND_INS = {"stacked_mnist": "stacked_digits"}  # trained with the settings of the original


class Strict(BaseModel):
    """Unknown keys, NaN and infinities are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Seed = Annotated[int, Field(ge=0, lt=10**9)]


class DatasetSettings(Strict):
    """What every method shares on one dataset.

    data: which data this is about, if not the one it is named after. seeds, scale: if not those of
    the preset.
    """

    data: str | None = None
    seeds: tuple[Seed, ...] | None = Field(None, min_length=1, max_length=1000)
    scale: str | None = Field(None, pattern=PROSE)
    iterations: int = Field(ge=1, le=10**9)  # generator updates
    batch: int = Field(ge=1, le=10**6)  # data points, and generated samples, per batch
    z_dim: int = Field(256, ge=3, le=10**6)  # authors' code; the data's own push-forward needs 3
    # Of 2D points, for every method alike: modes of the grid are close for a tanh network.
    coordinate_scale: float = Field(1.0, gt=0, le=1e6)
    evaluations: int = Field(
        ge=1, le=10**5
    )  # evenly spaced over the iterations, besides the one at 0
    eval_samples: int = Field(ge=1, le=10**9)  # during training
    final_samples: int = Field(500_000, ge=1, le=10**9)  # at the end; paper section 5.1
    # Methods or variants to train here where the command leaves that open, with the generator
    # updates of each: a comparison at equal time.
    updates: dict[str, Annotated[int, Field(ge=1, le=10**9)]] = {}
    common: dict[str, Any] = {}  # settings of every method that has them
    methods: dict[str, dict[str, Any]] = {}


class Preset(Strict):
    """One YAML file: budget, seeds, and settings that depart from the methods' defaults."""

    description: str = Field(pattern=PROSE)
    scale: str = Field(pattern=PROSE)  # every table and figure of this preset carries it
    seeds: tuple[Seed, ...] = Field(min_length=1, max_length=1000)
    checkpoint_seconds: float = Field(60, gt=0)
    methods: dict[str, dict[str, Any]] = {}
    datasets: dict[Annotated[str, Field(pattern=NAME)], DatasetSettings]


class Run(Strict):
    """One run, resolved: everything that decides its numbers, besides the code."""

    folder: str  # of the preset's results: its name, with changed budgets in brackets
    dataset: str  # its name in the preset
    data: str  # what that is about
    method: str  # registry key
    label: str  # key, with overrides in brackets: lbt[K=3]
    module: str  # importable name, or a plugin's file
    seed: int
    budget: DatasetSettings
    settings: dict[str, Any]  # the method's own, complete

    def identity(self) -> dict[str, Any]:
        """The part that decides the numbers."""
        return {
            "data": self.data,
            "method": self.method,
            "seed": self.seed,
            "budget": self.budget.model_dump(
                exclude={"data", "seeds", "scale", "updates", "common", "methods"}
            ),
            "settings": self.settings,
        }

    def fingerprint(self, code: str) -> str:
        """Hash of identity and code: equal means the numbers would be equal on the same kind of
        device (a GPU draws other noise) and from the same image files.
        """
        text = json.dumps(self.identity(), sort_keys=True) + code
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def preset_names() -> list[str]:
    """Names of the shipped presets, cheapest first."""
    order = ["smoke", "quick", "full", "paper"]
    names = {p.stem for p in PRESETS.glob("*.yaml")}
    return [n for n in order if n in names] + sorted(names - set(order))


def load_preset(name: str) -> Preset:
    """The preset of that name. Raises UserError if it is unknown or malformed."""
    if name not in preset_names():
        raise unknown("preset", name, preset_names())
    path = PRESETS / f"{name}.yaml"
    text = read(path)
    values = strict_yaml.load(text, path.name)
    preset = validated(
        Preset, values, lambda place: path.name + at_line(text, [place[:n] for n in (9, 2, 1)])
    )
    for methods in (preset.methods, *(d.methods for d in preset.datasets.values())):
        for method in methods:
            if method not in REGISTRY:
                raise UserError(f"{path.name}: {unknown('method', method, REGISTRY)}")
    return preset


def is_file(path: str) -> bool:
    """Whether there is such a file; a name that no file can have is none."""
    try:
        return Path(path).is_file()
    except OSError:
        return False


def read(path: Path) -> str:
    """A settings file. Raises UserError where it is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path.name}: is not UTF-8 text") from None


def at_line(text: str, places: list[tuple]) -> str:
    """``, line 7`` of the first place that the YAML text has; nothing where it has none."""
    line = strict_yaml.line(text, *places)
    return f", line {line}" if line else ""


def preset_line(name: str, places: list[tuple]) -> str:
    """The line of a preset's file where the first of those settings stands, in words."""
    return at_line(read(PRESETS / f"{name}.yaml"), places)


def validated(model: type[BaseModel], values: Any, where: Callable[[tuple], str]) -> Any:
    """``model`` built from ``values``; the first mistake becomes a UserError that begins with where
    its place, keys and indices from the top, comes from.
    """
    try:
        found = model.model_validate(values)
    except ValidationError as error:
        # A misspelt key first: that another one is missing may follow from it.
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        place = first["loc"]
        key = shortened(".".join(map(str, place)))
        if first["type"] == "extra_forbidden":
            name = str(place[-1])
            known = model.model_fields if len(place) == 1 else DatasetSettings.model_fields
            raise UserError(f"{where(place)}: {unknown('setting', name, known)}") from None
        got = shortened(repr(first["input"]))
        raise UserError(f"{where(place)}: {key}: {first['msg']}, got {got}") from None
    for name, field in model.model_fields.items():
        if field.annotation in (int, float) and isinstance(values.get(name), bool):
            raise UserError(f"{where((name,))}: {name}: expected a number, got {values[name]}")
    return found


@cache
def load_module(name: str) -> ModuleType:
    """A method's module, by importable name or by file (a plugin)."""
    if name in REGISTRY.values():
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(Path(name).stem, name)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UserError(f"plugin {name}: {first_line(error)}") from error
    if not inspect.isfunction(getattr(module, "build", None)):
        raise UserError(f"plugin {name}: no function build(spec, cfg) in it")
    return module


def config_class(module: ModuleType) -> type[BaseModel]:
    """The settings class a method's ``build(spec, cfg)`` declares for its second parameter."""
    try:
        cls = get_type_hints(module.build).get("cfg")
    except NameError as error:
        raise UserError(f"{module.__name__}: {error}") from None
    if not (inspect.isclass(cls) and issubclass(cls, BaseModel)):
        raise UserError(f"{module.__name__}: annotate build's cfg with a MethodConfig subclass")
    return cls


@cache
def default_settings() -> dict[str, dict[str, Any]]:
    """``defaults.yaml``: data -> method or ``common`` -> settings."""
    return strict_yaml.load(read(DEFAULTS), DEFAULTS.name)


@cache
def named_variants() -> dict[str, dict[str, dict[str, Any]]]:
    """``variants.yaml``: method -> name -> ``why``, ``settings`` and, by data, ``on``."""
    return strict_yaml.load(read(VARIANTS), VARIANTS.name)
