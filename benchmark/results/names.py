"""What a method is called in print, its colour, and its part in a comparison: one table."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Look(NamedTuple):
    """role: the paper's own methods, what they are compared with, or a reference that competes with
    nobody: the estimator alone, the data themselves.
    """

    name: str
    colour: str
    role: Literal["ours", "rival", "reference"] = "rival"


# Paul Tol's "muted" scheme, safe for the colour-blind, where the two LBT methods share a hue. The
# rivals of today, which stand beside few of these, have that of Okabe and Ito.
LOOKS = {
    "lbt": Look("LBT", "#CC6677", "ours"),
    "lbt_gan": Look("LBT-GAN", "#882255", "ours"),
    "gan": Look("GAN", "#332288"),
    "lsgan": Look("LSGAN", "#88CCEE"),
    "unrolled_gan": Look("Unrolled GAN", "#44AA99"),
    "veegan": Look("VEEGAN", "#117733"),
    "pacgan": Look("PacGAN", "#999933"),
    "ali": Look("ALI", "#DDCC77"),
    "wgan_gp": Look("WGAN-GP", "#E69F00"),
    "sngan": Look("SN-GAN", "#0072B2"),
    "r3gan": Look("R3GAN", "#D55E00"),
    "mmd": Look("MMD", "#A6761D"),
    "flow_matching": Look("Flow matching", "#009E73"),
    "vae": Look("VAE on data", "#777777", "reference"),
    "oracle": Look("Data", "#000000", "reference"),
}


def key(label: str) -> str:
    """The method of a label: ``lbt`` of ``lbt[K=3]``."""
    return label.partition("[")[0]


def role(label: str) -> str:
    """A method's part; a plugin's is a rival's."""
    return LOOKS[key(label)].role if key(label) in LOOKS else "rival"
