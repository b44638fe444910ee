"""The methods: one module each, with ``build(spec, cfg) -> Method`` (see ``methods.base``).

The registry holds module names rather than functions so that listing it imports nothing heavy.
"""

REGISTRY = {
    "lbt": "methods.lbt",
    "lbt_gan": "methods.lbt_gan",
    "gan": "methods.gan",
    "lsgan": "methods.lsgan",
    "unrolled_gan": "methods.unrolled_gan",
    "veegan": "methods.veegan",
    "pacgan": "methods.pacgan",
    "ali": "methods.ali",
    "wgan_gp": "methods.wgan_gp",
    "sngan": "methods.sngan",
    "r3gan": "methods.r3gan",
    "mmd": "methods.mmd",
    "flow_matching": "methods.flow_matching",
    # references that bound every figure
    "vae": "methods.vae",
    "oracle": "methods.oracle",
}
