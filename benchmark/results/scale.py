"""What must be said of the size of runs wherever their numbers stand."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any

from benchmark.experiments.job import Job
from benchmark.results.tables import span
from benchmark.results.view import Results

BUDGET = {  # what decides how far a run got, besides its method: setting -> in words
    "iterations": "{} updates",
    "batch": "batch {}",
    "z_dim": "noise of {} dimensions",
    "coordinate_scale": "coordinates times {}",
}


def scale_of(results: Results, job: Job, *datasets: str) -> str:
    """What tables and figures must say of the size of the runs on datasets: the budgets of their
    experiments, and where runs differ from these, or their seconds do not compare.
    """
    words = {d: job.scale(d) + other_budgets(results, job, [d]) for d in datasets}
    several = len(set(words.values())) > 1
    text = (
        "; ".join(f"{d}: {w}" for d, w in words.items()) if several else "".join({*words.values()})
    )
    return text + unlike_clocks(results, datasets)


def other_budgets(results: Results, job: Job, datasets: list[str]) -> str:
    """``; some runs of another budget: 64,000 updates``, where runs were made before the preset
    asked for what it asks for now; nothing where none were.
    """
    found: dict[str, set[float]] = {key: set() for key in BUDGET}
    for dataset, method in ((d, m) for d in datasets if job.has(d) for m in results.methods(d)):
        budget = job.budget(dataset)
        wanted = {key: {getattr(budget, key)} for key in BUDGET}
        wanted["iterations"] = job.updates(dataset, method)
        for key, value in results.recorded_budget(dataset, method).items():
            if key in BUDGET and isinstance(value, Real) and value not in wanted[key]:
                found[key].add(value)
    words = [text.format(span(found[k])) for k, text in BUDGET.items() if found[k]]
    return f"; some runs of another budget: {', '.join(words)}" if words else ""


def unlike_clocks(results: Results, datasets: Iterable[str]) -> str:
    """``; timed under unlike conditions: cpu A and cpu B``, where the runs on one of the
    datasets were; nothing otherwise.
    """
    several = [found for d in datasets if len(found := clocks(results, d)) > 1]
    names = sorted({name for found in several for name in found})
    return f"; timed under unlike conditions: {' and '.join(names)}" if names else ""


def clocks(results: Results, dataset: str, methods: Iterable[str] = ()) -> list[str]:
    """The conditions under which runs on a dataset were timed, of some methods or all: device,
    hardware, and what else changes their speed. Without runs that did not say, and the oracle's,
    which trains nothing.
    """
    trained = [m for m in methods or results.methods(dataset) if m != "oracle"]
    records = results.records(dataset, trained) if trained else []
    return sorted({_clock(record) for record in records if record.get("hardware")})


def _clock(record: dict[str, Any]) -> str:
    """What a run's seconds depend on besides what it computes, in words."""
    words = [" ".join(str(record[k]) for k in ("device", "hardware") if record.get(k))]
    engine = record.get("engine")
    words += ["native kernels"] if engine == "native" else []
    words += ["engines mixed"] if engine == "mixed" else []
    told = engine in ("native", "mixed")
    words += ["not compiled"] if not told and not record.get("compiled", True) else []
    words += ["TF32"] if record.get("tf32") else []
    stacked = record.get("stacked", 1)
    words += [f"{stacked} seeds as one program"] if stacked > 1 else []
    return ", ".join(words)
