"""Settings named for an estimator that is not in use.

All estimators' settings stand in one class (``methods.estimators``), so that those of the others
are accepted and do nothing. What a file sets for every method may be among them; what a user names
for one may not: its results would carry the name of a change that was none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from pydantic import BaseModel

from benchmark.core.errors import UserError
from benchmark.core.modules import config_class


@cache
def owners() -> dict[str, list[str]]:
    """Setting -> the estimators that have it."""
    from methods import estimators  # brings torch, too early for whoever only reads presets

    found: dict[str, list[str]] = {}
    for estimator, build in estimators.BUILDERS.items():
        for name in config_class(sys.modules[build.__module__]).model_fields:
            found.setdefault(name, []).append(estimator)
    return found


def refuse(
    model: type[BaseModel],
    settings: dict[str, Any],
    named: Iterable[str],
    dataset: str,
    where: Callable[[tuple], str],
) -> None:
    """Raises UserError if one of the ``named`` belongs to other estimators than that of a method's
    complete ``settings`` on a dataset; ``where``: as for ``schema.validated``.
    """
    from methods import estimators

    if not issubclass(model, estimators.EstimatorConfig):
        return
    chosen = settings["estimator"]
    for name in named:
        known = owners().get(name, [chosen])
        if chosen not in known:
            raise UserError(
                f"{where((name,))}: on {dataset} the estimator is {chosen}, which has no setting "
                f"{name!r}; leave it out, or choose estimator={' or '.join(known)}"
            )
