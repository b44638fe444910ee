"""Fixtures of the claims ledger: small folders of results, claims about them, and verdicts."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from benchmark.experiments.labels import parse_label
from benchmark.report.claims.claim import Claim
from benchmark.report.claims.claim import load as load_claims
from benchmark.report.claims.evidence import Evidence, released
from benchmark.report.claims.frozen import FROZEN
from benchmark.report.claims.verdict import judge

RELEASED = released().budget("ring")


def write_run(
    out: Path, label: str, seed: int, curves: dict[str, list[float]], *,
    preset="quick", dataset="ring", data="", share=1.0, seconds=10.0, status="complete",
    machine="", steps=0, evaluations=5, provenance=None, **settings,
) -> None:  # fmt: skip
    """A run whose metrics have these values, the last one at its end (``steps`` where it broke),
    with the released settings but for ``settings``.
    """
    folder = out / preset / "runs" / dataset / label / f"seed{seed}"
    folder.mkdir(parents=True)
    key, _, asked = parse_label(label)
    data = data or dataset
    usual = released().runs(data, key)[0].settings
    iterations = round(released().budget(data).iterations * share)
    budget = {"iterations": iterations, "batch": released().budget(data).batch}
    budget["evaluations"] = evaluations
    record = {"data": data, "budget": budget, "settings": usual | asked | settings}
    (folder / "settings.json").write_text(json.dumps(record))
    found = {"status": status, "train_seconds": seconds} | (provenance or {})
    found |= {"device": "cpu", "hardware": machine} if machine else {}
    (folder / "provenance.json").write_text(json.dumps(found))
    last = steps or iterations
    rows = [
        {"step": last * i // max(len(values) - 1, 1), "seconds": 0.0, "metric": m, "value": v}
        for m, values in curves.items()
        for i, v in enumerate(values)
    ]
    pd.DataFrame(rows).to_csv(folder / "metrics.csv", index=False)


FRESH = FROZEN.confirms_from
LEARNED = {"high_quality_pct": [0, *[90] * 9]}  # from the first of eight evaluations on


def flat(value: float) -> list[float]:
    """A curve that has settled: nothing at the start, the value ever after."""
    return [0, *[value] * 9]


def write_finals(
    out: Path, label: str, values: list[float], metric="modes_covered", first=FRESH, **kwargs
) -> None:
    """A run per value, of seeds that may confirm, learned and settled."""
    for seed, value in enumerate(values, first):
        write_run(out, label, seed, LEARNED | {metric: flat(value)}, **kwargs)


def claim(kind: str, ours=False, substitutes=(), **rule) -> Claim:
    rule = {"kind": kind, "dataset": "ring", "metric": "modes_covered"} | rule
    return Claim(id="a-claim", text="A", place="B", ours=ours, substitutes=substitutes, rule=rule)


def shipped(name: str) -> Claim:
    return next(c for c in load_claims() if c.id == name)


def verdict(claim: Claim, out: Path, preset="quick") -> tuple[str, str]:
    judged = judge(claim, [Evidence(out, preset)])
    return judged.verdict, judged.reason
