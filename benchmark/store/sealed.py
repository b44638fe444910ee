"""Files of a run, read so that damage is noticed: none passes for what the run wrote.

``provenance.json`` is written last. In it are the place of the run, size and SHA-256 of the files
beside it, and the SHA-256 of all that. Older runs have none of these, and only their types are
checked. Nothing is read through a link.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark.core.errors import UserError
from benchmark.core.files import damaged, json_object, read_json, read_plain, refuse_links

FINISHED = ("complete", "diverged")
RECORD, SETTINGS, METRICS, SAMPLES, GENERATOR = (
    "provenance.json", "settings.json", "metrics.csv", "samples.npz", "generator.safetensors"
)  # fmt: skip
SEAL = ("sha256", "files", "place")
SEED = re.compile(r"seed(0|[1-9][0-9]{0,8})")
BELOW = 5  # folders of a run's path that are the results folder's: <preset>/runs/<data>/<label>/<k>
TRIES = 3  # at reading a run that another process may be writing
Count = Annotated[int, Field(ge=0)]


class _Types(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _File(_Types):
    bytes: Count
    sha256: str


class _Provenance(_Types):
    """What is used of a record, with its type; older ones lack some, and others may have more."""

    status: Literal["complete", "diverged", "failed"]
    reason: str = ""
    commit: str = ""
    device: str = ""
    hardware: str = ""
    started: str = ""
    engine: str = ""
    steps: Count = 0
    train_seconds: float | None = Field(None, ge=0)
    stacked: int = Field(1, ge=1)
    tf32: bool = False
    compiled: bool = True
    place: list[str] = []
    files: dict[str, _File] = {}
    sha256: str = ""


class _Budget(_Types):
    iterations: Count = 0
    batch: Count = 0
    z_dim: Count = 0
    evaluations: Count = 0
    eval_samples: Count = 0
    final_samples: Count = 0
    coordinate_scale: float = 1.0


class _Settings(_Types):
    fingerprint: str = Field("", pattern="^[0-9a-f]{0,64}$")
    code: str = ""
    data: str = ""
    method: str = ""
    seed: Count = 0
    settings: dict[str, Any] = {}
    budget: _Budget = _Budget()


class Record(NamedTuple):
    """A run that has ended, as it lies on disk. metrics: None where it measured nothing."""

    path: Path
    settings: dict[str, Any]
    provenance: dict[str, Any]
    metrics: bytes | None

    @property
    def place(self) -> tuple[str, str, int]:
        """Dataset, label and seed."""
        dataset, label, seed = _place(self.path)
        return dataset, label, int(seed.removeprefix("seed"))

    def samples(self) -> bytes | None:
        """Bytes of samples.npz, None where there is none. Raises UserError where it is damaged."""
        return _content(self.path, SAMPLES, self.provenance)


def seal(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    """The provenance of a run in ``path``, with what tells that nothing was changed since."""
    ended = record["status"] in FINISHED
    names = [SETTINGS, METRICS, SAMPLES, GENERATOR] if ended else [SETTINGS]
    contents = {name: read_plain(path / name) for name in names}
    files = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
        if content is not None
    }
    whole = record | {"files": files, "place": _place(path)}
    return whole | {"sha256": _digest(whole)}


def read(path: Path) -> Record | None:
    """The run in a folder; None while it has not ended. Raises UserError where it is damaged."""
    for left in reversed(range(TRIES)):
        found = provenance(path)
        if not found:
            return None
        try:
            metrics = _content(path, METRICS, found)
            if metrics is None and found["status"] in FINISHED:
                raise damaged(path / METRICS, "it is missing")
            return Record(path, settings(path, found), found, metrics)
        except UserError:
            if not left or provenance(path) == found:  # nobody has changed it meanwhile
                raise
    return None


def provenance(path: Path) -> dict[str, Any]:
    """A run's provenance; empty while it has none. Raises UserError where it is damaged."""
    refuse_links(path, BELOW)
    content = read_plain(path / RECORD)
    if content is None:
        return {}
    found = json_object(path / RECORD, content)
    _check(_Provenance, found, path / RECORD)
    if any(name in found for name in SEAL):
        if found.get("sha256") != _digest(found):
            raise damaged(path / RECORD, "its SHA-256 differs from the recorded one")
        if found["place"] != _place(path):
            raise damaged(path / RECORD, f"it is of {'/'.join(found['place'])}")
    return found


def settings(path: Path, provenance: dict[str, Any]) -> dict[str, Any]:
    """A run's settings, empty where there are none. Raises UserError where they are damaged.

    provenance: that of the run, or empty.
    """
    refuse_links(path, BELOW)
    content = _content(path, SETTINGS, provenance)
    if content is None:
        if SETTINGS in provenance.get("files", {}):
            raise damaged(path / SETTINGS, "it is missing")
        return {}
    found = json_object(path / SETTINGS, content)
    _check(_Settings, found, path / SETTINGS)
    return found


def generator(path: Path) -> bytes | None:
    """What generator.safetensors holds, wherever the run's folder was moved to; None where there is
    none. Raises UserError where it is damaged.
    """
    record = read_json(path / RECORD)
    _check(_Provenance, record | {"status": "complete"}, path / RECORD)
    return _content(path, GENERATOR, record)


def _content(path: Path, name: str, provenance: dict[str, Any]) -> bytes | None:
    """A file of a run, as it was written. None where it has none, or (images are not always kept)
    has lost it.
    """
    files = provenance.get("files")
    if files is not None and name not in files:
        return None
    content = read_plain(path / name)
    if files is not None and content is not None:
        if len(content) != files[name]["bytes"]:
            raise damaged(path / name, f"it has {len(content)} bytes of {files[name]['bytes']}")
        if hashlib.sha256(content).hexdigest() != files[name]["sha256"]:
            raise damaged(path / name, "its SHA-256 differs from the recorded one")
    return content


def _check(model: type[_Types], found: dict[str, Any], path: Path) -> None:
    try:
        model.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise damaged(path, f"{where}: {first['msg']}") from None


def _place(path: Path) -> list[str]:
    """Dataset, label and seed; the seed's own, of a run set aside."""
    return [*path.parts[-3:-1], path.name.partition(".")[0]]


def _digest(record: dict[str, Any]) -> str:
    rest = {name: value for name, value in record.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
