"""Options of the command line: what they name, and how bad ones are refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TINY

from benchmark.cli import main
from benchmark.cli.arguments import parse_seeds
from benchmark.core.errors import UserError

ROOT = Path(__file__).resolve().parent.parent

BAD = {
    "--methods lbtt": "unknown method 'lbtt'; did you mean 'lbt'",
    "--dataset rings": "unknown experiment 'rings'; did you mean 'ring'",
    "--reproduce fig22": "unknown artefact 'fig22'; did you mean",
    "--preset quik": "unknown preset 'quik'; did you mean 'quick'",
    "--seeds 4-": "--seeds 4-: expected 0-4 or 0,2,5",
    "--seeds 4-2": "--seeds 4-2: names no seed",
    "--seeds x": "--seeds x: expected",
    "--jobs 0": "--jobs 0: must be at least 1",
    "--set lbt.KK=3 --methods lbt": "unknown setting 'KK'; did you mean 'K'",
    "--set lbt.etatheta=3 --methods lbt": "did you mean 'eta_theta'",
    "--set lbt.K=0 --methods lbt": "greater than or equal to 1",
    "--set lbt.K=many --methods lbt": "K: Input should be a valid integer",
    "--set lbt.eta_phi=.nan --methods lbt": "finite number",
    "--set ring.batch=-1": "ring in preset quick: batch:",
    "--set K=3": "expected method.key=value or dataset.key=value",
    "--set lbtt.K=3": "did you mean 'lbt'",
    "--set lbt.K=!!python/object:os.system": "cannot read the value",
    "--plugin nowhere.py": "--plugin nowhere.py: no such file",
    "--plugin README.md": "must be a Python file",
    "--plugin methods/gan.py": "'gan' is taken; rename the file",
    "--methods ,": "names nothing",
    "--methods gan --set lbt.NOPE=3": "unknown setting 'NOPE'",
    "--methods gan --set grid.batch=x": "grid in preset quick: batch:",
    "--set ring.z_dim=0": "greater than or equal to 1",
    "--seeds ²": "--seeds ²: expected",
    "--seeds 0-2000000": "more than 1000 seeds",
    "--bogus": "unrecognized arguments: --bogus",
    "--jobs abc": "invalid int value: 'abc'",
    "--report": "no runs under",
    "--tf32 --methods lbt,lbt[mog]": "--tf32: lbt[mog] on ring needs exact products; leave it out",
    "--methods lbt[components=64]": "method 'lbt[components=64]': on ring the estimator is vae, "
    "which has no setting 'components'; leave it out, or choose estimator=mog",
    "--methods lbt[mog,latent=5]": "is mog, which has no setting 'latent'; leave it out, "
    "or choose estimator=vae or conv_vae",
    "--methods LBT-GAN": "unknown method 'LBT-GAN'; did you mean 'lbt_gan'?",
    "--methods LBT": "did you mean 'lbt'?",
    "--datasets ring": "unrecognized arguments: --datasets ring; did you mean --dataset?",
    "--set gan.lr=1": "unknown setting 'lr'; did you mean 'eta_theta'?",
    "--set ring.updates=9": "--set ring.updates: say ring.iterations=9",
    "--set ring.steps=9": "unknown setting 'steps'; did you mean 'iterations'?",
    "--dataset grid --preset ring-h100": "grid is not in preset ring-h100; it is in smoke, quick, ",
    "--fid-samples 9": "--fid-samples: nothing is scored without --fid-weights",
    "--slurm-gpus 1": "--slurm-gpus: only --launcher slurm obeys it",
    "--tf32 --device cpu": "--tf32: only a GPU has it",
    "--list lbtt": "unknown method 'lbtt'; did you mean 'lbt'?",
    "--methods vae,lbt_gan[mog] --set lbt_gan.variance=0.1": "--set lbt_gan.variance: "
    "lbt_gan[mog] in preset quick: on ring the estimator is mog",
}


@pytest.mark.parametrize("arguments", BAD)
def test_bad_input_gets_one_line_and_exit_code_2(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main([*arguments.split(), "--out", str(tmp_path), "--plan"]) == 2
    output = capsys.readouterr()
    assert output.out == "" and output.err.count("\n") == 1
    assert output.err.startswith("error: ") and BAD[arguments] in output.err
    assert not list(tmp_path.iterdir())


def test_a_setting_of_a_method_that_is_not_trained_is_said(capsys, tmp_path):
    command = ["--methods", "lbt", "--set", "gan.eta_psi=1", "--plan", "--out", str(tmp_path)]
    assert main(command) == 0
    assert "warning: --set gan.eta_psi: no run of gan is asked for\n" == capsys.readouterr().err


def test_no_folder_is_no_folder(capsys):
    assert main(["--plan", "--out", ""]) == 2
    assert capsys.readouterr().err == "error: --out: names no folder; . is the present one\n"


UNFIT = {
    "lbt[estimator=pixelcnn]": "on ring: pixelcnn is for images, not (2,)",
    "vae[estimator=conv_vae]": "on ring: conv_vae is for square images, not (2,)",
    "lbt[likelihood=bernoulli]": "on ring: likelihood=bernoulli is for images, pixels in [0, 1], "
    "not for points (2,); use likelihood=gaussian",
}


@pytest.mark.parametrize("label", UNFIT)
def test_an_estimator_of_other_data_is_refused_before_anything_starts(label, capsys, tmp_path):
    assert main(["--methods", f"gan,{label}", *TINY, "--out", str(tmp_path)]) == 2
    output = capsys.readouterr()
    assert output.out == "" and output.err == f"error: {label} {UNFIT[label]}\n"
    assert not list(tmp_path.iterdir())


def test_what_is_named_twice_runs_once(tmp_path, capsys):
    command = ["--methods", "gan,gan", "--dataset", "ring,ring", "--seeds", "0-2"]
    assert main([*command, "--plan", "--out", str(tmp_path)]) == 0
    assert "3 runs to do" in capsys.readouterr().out


@pytest.mark.parametrize("text, seeds", [("0-2", (0, 1, 2)), ("0,2,5", (0, 2, 5)), ("3", (3,))])
def test_parse_seeds(text, seeds):
    assert parse_seeds(text) == seeds


def test_parse_seeds_refuses_minus_one():
    with pytest.raises(UserError):
        parse_seeds("-1")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("search --seconds 0", "--seconds and --trials must be above 0"),
        ("search --dataset rign", "unknown dataset 'rign'"),
        ("train_classifier nmist", "unknown classifier 'nmist'; did you mean 'mnist'?"),
        ("bench --cases ringg", "unknown case 'ringg'"),
        ("bench --rounds 0", "--rounds and --threads must be at least 1"),
    ],
)
def test_other_commands_refuse_in_one_line_too(command, reason):
    module, *options = command.split()
    found = subprocess.run(
        [sys.executable, "-m", f"benchmark.tools.{module}", *options],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert found.returncode == 2 and found.stdout == ""
    assert found.stderr.startswith(f"error: {reason}") and found.stderr.count("\n") == 1
