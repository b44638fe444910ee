"""Settings: presets from YAML, overrides from the command line, one resolved record per run.

A value is looked up in this order: the brackets of a variant's name (``lbt[K=3]``), ``--set``, the
preset's entry for the method on the dataset, its entry for all methods there (``common``), its
entry for the method, ``defaults.yaml`` for the data, and the method's own default (the recommended
column of the reference facts).
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import json
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticSerializationError

from benchmark import strict_yaml
from benchmark.errors import UserError, first_line, shortened, unknown
from methods import REGISTRY

PRESETS = Path(__file__).parent / "presets"
DEFAULTS = Path(__file__).parent / "defaults.yaml"
# Those of benchmark.datasets, known without importing torch.
DATASET_NAMES = (
    "ring", "grid", "toy1d", "stacked_mnist", "stacked_digits", "cifar10", "celeba"
)  # fmt: skip
NAME = r"^[A-Za-z][A-Za-z0-9_]{0,59}$"  # of a dataset: it names folders, tables and panels
PROSE = r"^[^<>$\\`|\x00-\x1f\x7f]{1,300}$"  # inert in HTML, LaTeX, Markdown and a terminal
LABEL_LENGTH = 120  # characters in the brackets of a label; file systems end at 255
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
    evaluations: int = Field(
        ge=1, le=10**5
    )  # evenly spaced over the iterations, besides the one at 0
    eval_samples: int = Field(ge=1, le=10**9)  # during training
    final_samples: int = Field(500_000, ge=1, le=10**9)  # at the end; paper section 5.1
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
                exclude={"data", "seeds", "scale", "common", "methods"}
            ),
            "settings": self.settings,
        }

    def fingerprint(self, code: str) -> str:
        """Hash of identity and code: equal means the numbers would be equal."""
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


def parse_override(text: str) -> tuple[str, str, Any]:
    """``method.key=value`` or ``dataset.key=value`` -> (owner, key, value); value read as YAML."""
    target, separator, value = text.partition("=")
    owner, dot, key = target.partition(".")
    if not (separator and dot and owner and key):
        raise UserError(f"--set {shortened(text)}: expected method.key=value or dataset.key=value")
    where = f"--set {shortened(target)}: cannot read the value {shortened(value)!r}"
    return owner, key, strict_yaml.load(value, where)


class Job:
    """What one command asks for, checked once, resolved to runs on demand."""

    def __init__(
        self,
        preset: str,
        overrides: tuple[str, ...] = (),
        plugins: tuple[str, ...] = (),
        seeds: tuple[int, ...] | None = None,
    ) -> None:
        self.preset = load_preset(preset)
        self.seeds = seeds
        self.modules = dict(REGISTRY)
        for path in plugins:
            stem = Path(path).stem
            if not is_file(path):
                raise UserError(f"--plugin {shortened(path)}: no such file")
            if not re.fullmatch(r"[A-Za-z_]\w{0,59}\.py", Path(path).name, re.ASCII):
                raise UserError(f"--plugin {path}: must be a Python file named like a module")
            if stem in self.modules or stem in DATASET_NAMES:
                raise UserError(f"--plugin {path}: {stem!r} is taken; rename the file")
            self.modules[stem] = str(Path(path).resolve())
        self.overrides: dict[str, dict[str, Any]] = {}
        for owner, key, value in map(parse_override, overrides):
            if owner not in self.modules and owner not in self.preset.datasets:
                raise unknown("method or dataset in --set", owner, [*self.modules, *DATASET_NAMES])
            self.overrides.setdefault(owner, {})[key] = value
        # Another budget is another experiment: it gets a results folder of its own.
        changed = [o for o in sorted(self.overrides) if o in self.preset.datasets]
        self.folder = preset + "".join(
            bracket(self.overrides[owner], f"{owner}.") for owner in changed
        )
        self.folder = cut(self.folder, 200)
        self.name = preset
        for owner in self.overrides:
            if owner in self.preset.datasets:
                self.budget(owner)
            else:
                for dataset in self.preset.datasets:
                    self._settings(dataset, owner)

    def scale(self, dataset: str | None = None) -> str:
        """What every table and figure must say of the size of its runs (on a dataset)."""
        own = self.budget(dataset).scale if dataset and self.has(dataset) else None
        changed = self.folder.removeprefix(self.name)
        return (own or self.preset.scale) + (f"; changed: {changed}" if changed else "")

    def has(self, dataset: str) -> bool:
        """Whether the preset knows a dataset, or what it stands in for."""
        return self._entry(dataset) in self.preset.datasets

    def _entry(self, dataset: str) -> str:
        """The preset's name for a dataset's settings: a stand-in has those of its original."""
        if dataset in self.preset.datasets:
            return dataset
        return next((name for name, other in STAND_INS.items() if other == dataset), dataset)

    def budget(self, dataset: str) -> DatasetSettings:
        """The dataset's settings with ``--set`` applied."""
        if not self.has(dataset):
            raise unknown("dataset", dataset, self.preset.datasets)
        entry = self._entry(dataset)
        base = self.preset.datasets[entry].model_dump()
        changed = base | {"data": base["data"] or dataset} | self.overrides.get(entry, {})
        settings = validated(
            DatasetSettings, changed, lambda place: self._source(entry, place, dataset)
        )
        if settings.data not in DATASET_NAMES:
            raise unknown(f"data of {dataset} in preset {self.name}", settings.data, DATASET_NAMES)
        return settings

    def label(self, method: str) -> str:
        """The method's name in results: its key, with what was changed of it in brackets."""
        key, own = parse_label(method)
        return key + bracket(self.overrides.get(key, {}) | own)

    def _settings(self, dataset: str, method: str) -> dict[str, Any]:
        """The method's complete settings on a dataset, as plain values."""
        key, own = parse_label(method)
        model = config_class(load_module(self.modules[key]))
        budget = self.budget(dataset)
        entry = {other: name for name, other in STAND_INS.items()}.get(budget.data, budget.data)
        defaults = default_settings().get(entry, {})
        values = (
            {k: v for k, v in defaults.get("common", {}).items() if k in model.model_fields}
            | defaults.get(key, {})
            | self.preset.methods.get(key, {})
            | {k: v for k, v in budget.common.items() if k in model.model_fields}
            | budget.methods.get(key, {})
            | self.overrides.get(key, {})
            | own
        )

        def where(place: tuple) -> str:
            if place[:1] and place[0] in own:
                return f"method {shortened(method)!r}"
            return self._source(key, place, method, self._entry(dataset))

        try:
            return validated(model, values, where).model_dump(mode="json")
        except PydanticSerializationError as error:
            raise UserError(f"{where(())}: settings must be plain values: {error}") from None

    def _source(self, owner: str, place: tuple, shown: str, dataset: str = "") -> str:
        """Where a setting of a method (on a dataset) or of a dataset comes from, in words."""
        shown = f"{shortened(shown)} in preset {self.name}"
        if place and place[0] in self.overrides.get(owner, {}):
            return f"--set {owner}.{shortened(str(place[0]))}: {shown}"
        places = [
            ("datasets", dataset, "methods", owner, *place),
            ("datasets", dataset, "common", *place),
            ("methods", owner, *place),
            ("datasets", owner, *place),
        ]
        return f"{self.name}.yaml{at_line(read(PRESETS / f'{self.name}.yaml'), places)}: {shown}"

    def stacked(self) -> list[str]:
        """The preset's Stacked MNIST datasets; their stand-in where MNIST cannot be had."""
        names = [name for name in self.preset.datasets if self.budget(name).data in STAND_INS]
        if names and not self._mnist():
            return list(dict.fromkeys(STAND_INS[self.budget(name).data] for name in names))
        return names

    @staticmethod
    @cache
    def _mnist() -> bool:
        from benchmark import images

        if images.mnist_found():
            return True
        try:
            images.mnist()
        except UserError as error:
            print(f"{error}; using stacked_digits instead", file=sys.stderr)
            return False
        return True

    def variant(self, dataset: str, method: str, **settings: Any) -> str:
        """The name of a method with these settings: its key alone where it has them already."""
        usual = self._settings(dataset, method)
        return method + bracket({k: v for k, v in settings.items() if usual[k] != v})

    def check(self, method: str) -> None:
        """Raises UserError unless the name, or a variant's, is that of a method."""
        key, _ = parse_label(method)
        if key not in self.modules:
            raise unknown("method", key, self.modules)

    def runs(self, dataset: str, method: str) -> list[Run]:
        """One run per seed, of a method or a variant. Raises UserError on unknown names and
        settings.
        """
        self.check(method)
        budget = self.budget(dataset)
        settings = self._settings(dataset, method)
        key, _ = parse_label(method)
        return [
            Run(
                folder=self.folder,
                dataset=dataset,
                data=budget.data,
                method=key,
                label=self.label(method),
                module=self.modules[key],
                seed=seed,
                budget=budget,
                settings=settings,
            )
            for seed in self.seeds or budget.seeds or self.preset.seeds
        ]


@cache
def default_settings() -> dict[str, dict[str, Any]]:
    """``defaults.yaml``: data -> method or ``common`` -> settings."""
    return strict_yaml.load(read(DEFAULTS), DEFAULTS.name)


def parse_label(text: str) -> tuple[str, dict[str, Any]]:
    """``lbt[K=3,M=5]`` -> (lbt, {K: 3, M: 5}); values read as YAML."""
    key, opened, inner = text.partition("[")
    if not opened:
        return text, {}
    if not inner.endswith("]"):
        raise UserError(f"method {shortened(text)!r}: expected name[setting=value,...]")
    return key, {
        k: v for _, k, v in (parse_override(f"{key}.{part}") for part in inner[:-1].split(","))
    }


def bracket(changed: dict[str, Any], prefix: str = "") -> str:
    """``[K=3,M=5]``, safe as part of a folder's name; nothing for no changes."""
    inner = ",".join(f"{prefix}{k}={v}" for k, v in sorted(changed.items()))
    safe = re.sub(r"[^A-Za-z0-9_.,=+-]", "_", inner)
    if safe != inner:  # other settings could become the same text
        safe += f"~{hashlib.sha256(inner.encode()).hexdigest()[:8]}"
    return cut(f"[{safe}]", LABEL_LENGTH) if inner else ""


def cut(name: str, length: int) -> str:
    """A folder's name of at most that length; a longer one ends in its hash."""
    if len(name) <= length:
        return name
    return f"{name[: length - 10]}~{hashlib.sha256(name.encode()).hexdigest()[:8]}]"
