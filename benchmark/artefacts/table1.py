"""Table 1: modes and KL on Stacked MNIST, beside what was published.

A block per dataset of the preset, each on one family of networks; published rows follow under their
own source and networks, never averaged with ours. The paper's first four columns are VEEGAN's,
trained with other networks. The stand-in task has a table of its own, table1_digits.
What the numbers cannot say, whether a generator collapsed or has not begun to draw, its samples do.
"""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from benchmark.artefacts import Artefact
from benchmark.artefacts.drawing import sheets, style
from benchmark.core.files import write_text
from benchmark.data import DATASETS
from benchmark.experiments.job import Job
from benchmark.results.published import published as printed
from benchmark.results.scale import scale_of
from benchmark.results.summary import ordered
from benchmark.results.view import Results

STEMS = {"stacked_mnist": "table1", "stacked_digits": "table1_digits"}
METRICS = {"smnist_modes": ("modes", 1), "smnist_kl": ("kl", 2)}


def needs(job: Job) -> list[tuple[str, str]]:
    """Every method on each Stacked MNIST entry of the preset."""
    return [(dataset, method) for dataset in job.stacked("table1") for method in job.usual]


def draw(results: Results, job: Job) -> list[Path]:
    """tables/table1.csv, .md and .tex; of the stand-in table1_digits. Per dataset, where runs have
    samples, figures/table1_<dataset>.png.
    """
    found = []
    stacked = results.among(job.drawn("table1"))
    for data, stem in STEMS.items():
        datasets = [d for d in stacked if results.data(d) == data]
        if datasets:
            title = caption(results, data, datasets, job)
            found += _write(rows(results, datasets), title, results, stem)
    for dataset in stacked:
        found += _samples(results, job, dataset)
    return found


def _samples(results: Results, job: Job, dataset: str) -> list[Path]:
    """The first samples of every method's lowest seed, true to the pixel."""
    labels = ordered(results.methods(dataset))
    found = {label: results.samples(dataset, label) for label in labels}
    panels = [
        sheets.Panel(style.image_name(label), kept["samples"])
        for label, kept in found.items()
        if kept
    ]
    if not panels:
        return []
    note = f"{dataset}; {scale_of(results, job, dataset)}"
    stem = results.figures / f"table1_{dataset}"
    return sheets.save(panels, note, stem, columns=6, across=3, scale=2)


def _write(table: pd.DataFrame, title: str, results: Results, stem: str) -> list[Path]:
    base = results.folder / "tables" / stem
    paths = [base.with_suffix(suffix) for suffix in (".csv", ".md", ".tex")]
    buffer = io.StringIO()
    table.to_csv(buffer, index=False, lineterminator="\n", float_format="%.10g")
    for path, text in zip(
        paths, (buffer.getvalue(), markdown(table, title), latex(table, title)), strict=True
    ):
        write_text(path, text)
    return paths


def rows(results: Results, datasets: list[str]) -> pd.DataFrame:
    """Ours on these datasets, then the published ones: source, dataset, networks, method, modes and
    kl with low and high (95 % Student t; published: what is stated), n, missed, updates, seconds,
    note: ours, which of several datasets.
    """
    ours = []
    summary = results.summary
    for dataset in datasets:
        part = summary[summary["dataset"] == dataset]
        for method in ordered(part["method"]):
            by = part[part["method"] == method].set_index("metric")
            first = by.iloc[0]
            row = {
                "source": "ours",
                "dataset": results.data(dataset),
                "networks": networks(results.settings(dataset, method), method),
                "method": style.image_name(method),
            }
            for metric, (name, _) in METRICS.items():
                row |= {name: by.loc[metric, "mean"]}
                row |= {f"{name}_{side}": by.loc[metric, side] for side in ("low", "high")}
            row |= {"n": first["n"], "missed": first["missed"], "updates": first["steps"]}
            note = dataset if len(datasets) > 1 else ""
            ours.append(row | {"seconds": round(first["seconds"], 1), "note": note})
    return pd.concat([pd.DataFrame(ours), published()], ignore_index=True)


def published() -> pd.DataFrame:
    """What the paper and PacGAN print of Stacked MNIST, modes and KL joined."""
    table = printed().query("dataset == 'stacked_mnist' and source in ('LBT paper', 'PacGAN')")
    keys = ["source", "place", "networks", "method", "note"]
    wide = table.pivot_table(
        index=keys, columns="metric", values=["value", "error"], sort=False, dropna=False
    ).dropna(how="all")
    found = []
    for key, row in wide.iterrows():
        entry = dict(zip(keys, key, strict=True))
        out = {
            "source": f"{entry['source']}, {entry['place']}",
            "dataset": "stacked_mnist",
            "networks": entry["networks"],
            "method": entry["method"],
            "note": entry["note"],
        }
        for metric, (name, _) in METRICS.items():
            value, error = row[("value", metric)], row.get(("error", metric))
            out |= {name: value, f"{name}_low": value - error, f"{name}_high": value + error}
        found.append(out)
    return pd.DataFrame(found)


def networks(settings: dict, label: str) -> str:
    """The networks of a run in words: ``metz, D = 0.25 G``; none for what has none."""
    if "nets" not in settings:
        return "none"
    family = "lbt" if settings["nets"] == "auto" else settings["nets"]
    # A linear head cannot judge pairs (methods/convnets.py): these two have a far larger D.
    joint = family == "metz" and label.partition("[")[0] in ("veegan", "ali")
    return f"{family}, D = {settings['d_ratio']:g} G" + (" + 200 hidden" if joint else "")


def _cells(row: pd.Series) -> list[str]:
    cells = [row["source"], row["networks"], row["method"]]
    for name, digits in METRICS.values():
        value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
        text = "" if value != value else f"{value:.{digits}f}"
        if low == low and value == value:
            text += f" [{low:.{digits}f}, {high:.{digits}f}]"
        cells.append(text)
    missed = f" ({row['missed']:.0f} missed)" if row["missed"] > 0 else ""
    cells += [f"{row['n']:.0f}{missed}", f"{row['updates']:,.0f}", f"{row['seconds']:.0f}"]
    return ["" if cell == "nan" else cell for cell in (*cells, str(row["note"]))]


HEAD = ["source", "networks", "method", "modes", "KL (nats)", "runs", "updates", "s/run", "note"]


def caption(results: Results, data: str, datasets: list[str], job: Job) -> str:
    """What the numbers are, in a sentence or two."""
    several = len(datasets) > 1
    scales = [f"{d}: " * several + scale_of(results, job, d) for d in datasets]
    counts = {job.budget(d).final_samples for d in datasets if job.has(d)}
    samples = " or ".join(f"{n:,}" for n in sorted(counts))
    return (
        f"Ours: {DATASETS[data].name}, {'; '.join(scales)}. Modes of 1,000 and KL to the uniform "
        f"distribution, {samples} samples; mean [95 % interval over seeds]. Published rows: "
        "Stacked MNIST, 25,600 or 26,000 samples, the error they state, networks and budgets of "
        "their own."
    )


def markdown(table: pd.DataFrame, title: str) -> str:
    """The table as GitHub Markdown."""
    lines = [title, "", f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}"]
    lines += [f"| {' | '.join(_cells(row))} |".replace("[", "\\[") for _, row in table.iterrows()]
    return "\n".join(lines) + "\n"


def latex(table: pd.DataFrame, title: str) -> str:
    """The table for ``booktabs``."""
    body = [[_escape(cell) for cell in _cells(row)] for _, row in table.iterrows()]
    lines = [
        "\\begin{table}", f"\\caption{{{_escape(title)}}}",
        f"\\begin{{tabular}}{{{'l' * 3}{'r' * 5}l}}", "\\toprule",
        " & ".join(HEAD) + " \\\\", "\\midrule",
        *(" & ".join(cells) + " \\\\" for cells in body),
        "\\bottomrule", "\\end{tabular}", "\\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    special = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"}
    return "".join(special.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in text)


ARTEFACT = Artefact(needs, draw)
