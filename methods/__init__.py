"""The methods: one module each, with ``build(spec, cfg) -> Method`` (see ``methods.base``).

The registry holds module names rather than functions so that listing it imports nothing heavy.
"""

PAPER = ("lbt", "lbt_gan", "gan", "lsgan", "unrolled_gan", "veegan", "pacgan", "ali")
TODAY = ("wgan_gp", "sngan", "r3gan", "mmd", "flow_matching")  # trained where they are named
REFERENCES = ("vae", "oracle")  # which bound every figure
REGISTRY = {name: f"methods.{name}" for name in (*PAPER, *TODAY, *REFERENCES)}
