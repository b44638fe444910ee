"""A command's request, resolved: which runs, under which names, with which settings.

A method's variant is named by the settings that make it one, ``lbt[K=3]``, or by the name that
``variants.yaml`` gives them, ``lbt[mog]``, or both, ``lbt[mog,K=3]``, wherever a method is named;
``--set`` changes every run of a method or dataset, and its name with it.

A value is looked up in this order: the settings in brackets, ``--set``, the named variant's entry
for the data, its entry for all data, the preset's entry
for the method on the dataset, its entry for all methods there (``common``), its entry for the
method, ``defaults.yaml`` for the data, and the method's own default (the recommended column of the
reference facts).
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

from pydantic_core import PydanticSerializationError

from benchmark import data
from benchmark.core.errors import UserError, shortened, unknown
from benchmark.core.modules import came_later, config_class, load_module
from benchmark.core.run import DatasetSettings, Run
from benchmark.core.schema import validated
from benchmark.data import DATASETS
from benchmark.experiments import strays
from benchmark.experiments.extent import extent
from benchmark.experiments.labels import bracket, cut, parse_label, parse_override
from benchmark.experiments.plugins import known
from benchmark.experiments.presets import experiments, known_as, load_preset, source
from benchmark.experiments.variants import default_settings, variant_settings
from methods import PAPER, REFERENCES, REGISTRY


class Job:
    """What one command asks for, checked once, resolved to runs on demand."""

    def __init__(
        self,
        preset: str,
        overrides: tuple[str, ...] = (),
        plugins: tuple[str, ...] = (),
        seeds: tuple[int, ...] | None = None,
    ) -> None:
        self.source = preset if preset.endswith(".yaml") else known_as(preset)
        self.name = Path(self.source).stem
        self.seeds = seeds
        self.modules, self.data = known(plugins)
        plugged = [name for name in self.modules if name not in REGISTRY]
        self.usual = [*PAPER, *REFERENCES, *plugged]  # what is compared where nothing is named
        self.preset = load_preset(preset, self.modules)
        self.plugins = plugins
        about = {entry.data or name for name, entry in self.preset.datasets.items()}
        added = [d for d in self.data if d not in {*DATASETS, *about} and self.has(d)]
        self.datasets = [*self.preset.datasets, *added]
        self.overrides: dict[str, dict[str, Any]] = {}
        for owner, key, value in map(parse_override, overrides):
            owner = owner if owner in self.modules else known_as(owner, self.name)
            if owner not in self.modules and owner not in self.datasets:
                known_owners = [*self.modules, *self.datasets, *DATASETS]
                raise unknown("method or experiment in --set", owner, known_owners)
            if owner in self.datasets and key == "updates" and not isinstance(value, dict):
                raise UserError(f"--set {owner}.updates: say {owner}.iterations={value}")
            self.overrides.setdefault(owner, {})[key] = value
        # Another budget is another experiment: it gets a results folder of its own.
        self.folder = self.name + "".join(
            bracket(values, f"{owner}.")
            for owner in sorted(self.overrides)
            if owner in self.datasets and (values := self.changed(owner, budget=True))
        )
        self.folder = cut(self.folder, 200)
        for owner in self.overrides:
            if owner in self.datasets:
                self.budget(owner)
            if owner in self.modules:
                for dataset in self.datasets:
                    self._settings(dataset, owner)

    def changed(self, owner: str, budget: bool = False) -> dict[str, Any]:
        """What ``--set`` says of a method, or of a dataset's budget: the name of a plugin may be
        both.
        """
        values = self.overrides.get(owner, {})
        if owner in self.modules and owner in self.datasets:
            return {
                k: v for k, v in values.items() if (k in DatasetSettings.model_fields) == budget
            }
        return values if budget == (owner in self.datasets) else {}

    def own(self) -> list[str]:
        """The experiments on data of plugins."""
        return [name for name in self.datasets if self.budget(name).data not in DATASETS]

    def feeding(self, artefact: str) -> list[str]:
        """The experiments that an artefact is made of; points in the plane, where they say nothing
        else, are drawn in Figures 2 and 3.
        """
        plane = ("fig2", "fig3")
        found = []
        for name in self.datasets:
            budget = self.budget(name)
            usual = plane if self.data[budget.data].family == "plane" else ()
            if artefact in (budget.feeds or usual):
                found.append(name)
        return found

    def scale(self, dataset: str) -> str:
        """What every table and figure must say of the size of its runs on a dataset."""
        if not self.has(dataset):
            return self.preset.note or ""
        budget = self.budget(dataset)
        changed = self.folder.removeprefix(self.name)
        words = [extent(budget), budget.note, self.preset.note]
        return "; ".join([w for w in words if w] + [f"changed: {changed}"] * bool(changed))

    def has(self, dataset: str) -> bool:
        """Whether the preset knows a dataset, or what it stands in for."""
        return self._entry(dataset) in self.preset.datasets

    def _entry(self, dataset: str) -> str:
        """The preset's name for a dataset's settings: a stand-in has those of its original."""
        if dataset in self.preset.datasets or dataset not in self.data:
            return dataset
        like = self.data[dataset].like
        found = (n for n, d in self.preset.datasets.items() if like and (d.data or n) == like)
        return next(found, dataset)

    def budget(self, dataset: str) -> DatasetSettings:
        """The dataset's settings with ``--set`` applied."""
        if not self.has(dataset):
            at = experiments()[dataset].at if dataset in experiments() else ()
            if at or dataset in self.data:
                where = f"it is in {', '.join(at)}" if at else "choose another preset"
                raise UserError(f"{dataset} is not in preset {self.name}; {where}")
            raise unknown("experiment", dataset, self.datasets)
        entry = self._entry(dataset)
        base = self.preset.datasets[entry].model_dump()
        about = (base["data"] or dataset) if entry == dataset else dataset
        changed = base | {"data": about} | self.changed(entry, budget=True)
        if entry != dataset:
            changed |= self.changed(dataset, budget=True)

        def where(place: tuple) -> str:
            owner = dataset if place[:1] and place[0] in self.overrides.get(dataset, {}) else entry
            return self._source(owner, place, dataset)

        settings = validated(DatasetSettings, changed, where)
        if settings.data not in self.data:
            raise unknown(f"data of {dataset} in preset {self.name}", settings.data, self.data)
        return settings

    def updates(self, dataset: str, label: str) -> set[int]:
        """How many generator updates runs of a label may have been asked for; more than one where
        ``--set`` may have given it another name than the one that has updates of its own.
        """
        budget, key = self.budget(dataset), label.partition("[")[0]
        if label in budget.updates:
            return {budget.updates[label]}
        own = {n for other, n in budget.updates.items() if other.partition("[")[0] == key}
        return own | {budget.iterations}

    def label(self, method: str) -> str:
        """The method's name in results: its key, with what was changed of it in brackets."""
        key, variant, own = parse_label(method)
        return key + bracket(self.changed(key) | own, variant=variant)

    def _settings(self, dataset: str, method: str, wanted: bool = False) -> dict[str, Any]:
        """The method's complete settings on a dataset, as plain values; of a run that is wanted,
        none may be named in vain (``benchmark.experiments.strays``).
        """
        key, variant, own = parse_label(method)
        model = config_class(load_module(self.modules[key]))
        budget = self.budget(dataset)
        entry = self.data[budget.data].like or budget.data
        defaults = default_settings().get(entry, {})
        values = (
            {k: v for k, v in defaults.get("common", {}).items() if k in model.model_fields}
            | defaults.get(key, {})
            | self.preset.methods.get(key, {})
            | {k: v for k, v in budget.common.items() if k in model.model_fields}
            | budget.methods.get(key, {})
            | variant_settings(key, variant, entry)
            | self.changed(key)
            | own
        )

        def where(place: tuple) -> str:
            if place[:1] and place[0] in own:
                return f"method {shortened(method)!r}"
            return self._source(key, place, method, self._entry(dataset))

        try:
            settings = validated(model, values, where).model_dump(mode="json")
        except PydanticSerializationError as error:
            raise UserError(f"{where(())}: settings must be plain values: {error}") from None
        if wanted:
            strays.refuse(model, settings, self.changed(key) | own, dataset, where)
        return {k: v for k, v in settings.items() if not came_later(model, k, v)}

    def _source(self, owner: str, place: tuple, shown: str, dataset: str = "") -> str:
        """Where a setting of a method (on a dataset) or of a dataset comes from, in words."""
        shown = f"{shortened(shown)} in preset {self.name}"
        if place and place[0] in self.overrides.get(owner, {}):
            return f"--set {owner}.{shortened(str(place[0]))}: {shown}"
        return f"{source(self.source, dataset or owner, owner, place)}: {shown}"

    def stacked(self, artefact: str) -> list[str]:
        """The experiments on Stacked MNIST that an artefact is made of; their stand-in where MNIST
        cannot be had.
        """
        names = self.feeding(artefact)
        return names if not names or self.mnist() else self.stand_ins(names)

    def drawn(self, artefact: str) -> list[str]:
        """What an artefact may show: the experiments that feed it, then what stands in for them."""
        names = self.feeding(artefact)
        return names + self.stand_ins(names)

    def stand_ins(self, names: list[str]) -> list[str]:
        """The data that replace experiments where their own cannot be had."""
        found = (self.data[self.budget(name).data].instead for name in names)
        return list(dict.fromkeys(name for name in found if name))

    @staticmethod
    @cache
    def mnist() -> bool:
        """Whether MNIST is at hand, or could be downloaded; says so once where not."""
        try:
            data.ensure("stacked_mnist")
        except UserError as error:
            print(f"{error}; using stacked_digits instead", file=sys.stderr)
            return False
        return True

    def variant(self, dataset: str, method: str, **settings: Any) -> str:
        """The name of a method with these settings: its key alone where it has them already."""
        usual = self._settings(dataset, method)
        return method + bracket({k: v for k, v in settings.items() if usual.get(k) != v})

    def check(self, method: str) -> None:
        """Raises UserError unless the name, or a variant's, is that of a method."""
        key, variant, _ = parse_label(method)
        if key not in self.modules:
            raise unknown("method", key, self.modules)
        variant_settings(key, variant)

    def runs(self, dataset: str, method: str) -> list[Run]:
        """One run per seed, of a method or a variant. Raises UserError on unknown names and
        settings.
        """
        self.check(method)
        budget = self.budget(dataset)
        settings = self._settings(dataset, method, wanted=True)
        key = parse_label(method).key
        if method in budget.updates:
            own: dict[str, int] = {"iterations": budget.updates[method]}
            if budget.every:
                own["evaluations"] = max(1, budget.updates[method] // budget.every)
            budget = budget.model_copy(update=own)
        return [
            Run(
                folder=self.folder,
                dataset=dataset,
                data=budget.data,
                method=key,
                label=self.label(method),
                module=self.modules[key],
                source=self.data[budget.data].module,
                seed=seed,
                budget=budget,
                settings=settings,
            )
            for seed in self.seeds or budget.seeds or self.preset.seeds
        ]
