"""The benchmark of the engine: which peers it measures."""

from __future__ import annotations

from benchmark.tools.bench import __main__ as bench


def test_a_peer_that_fails_to_import_is_named_and_left_out(tmp_path, monkeypatch, capsys):
    """As one built for another torch does."""
    for package, line in (("torchopt", "raise ImportError('undefined symbol')"), ("jax", "1 / 0")):
        (tmp_path / f"{package}.py").write_text(line)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert bench.available() == ["ours", "ours compiled", "ours eager", "eager autograd"]
    assert capsys.readouterr().err.splitlines() == [
        "TorchOpt is left out: ImportError: undefined symbol",
        "JAX is left out: ZeroDivisionError: division by zero",
    ]
