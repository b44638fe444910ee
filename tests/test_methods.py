"""What distinguishes each method, by hand calculation on its own networks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from conftest import batch, build

from benchmark.experiments.job import Job
from benchmark.training.prepare import prepare
from methods import estimators, nets
from methods.base import Spec

PARAMETERS = {"theta": 49_666, "psi": 17_025, "phi": 25_152 + 20_994}


def paper_spec(ring) -> Spec:
    return Spec((2,), 256, 8, ring.push)


def test_parameter_counts_of_the_2d_networks(ring):
    """Counted by hand from the authors' layers."""
    spec = paper_spec(ring)
    assert nets.generator(spec).size == PARAMETERS["theta"]
    assert nets.discriminator(spec).size == PARAMETERS["psi"]
    assert nets.discriminator(spec, pack=3).size == PARAMETERS["psi"] + 2 * 256
    assert estimators.build(spec, estimators.EstimatorConfig()).size == PARAMETERS["phi"]


def test_glorot_bounds_and_zero_biases():
    weight, bias = nets.unflatten(
        nets.mlp((50, 30)).init(torch.Generator().manual_seed(0)), [(30, 50), (30,)]
    )
    bound = (6 / 80) ** 0.5
    assert 0.98 * bound < weight.abs().max() <= bound
    assert not bias.any()


def test_tanh():
    x = torch.linspace(-20, 20, 10_001)
    assert (nets.tanh(x) - torch.tanh(x)).abs().max() < 2e-7


def test_vae_bound_by_hand():
    """A decoder with zero weights ignores z, so the bound is log N(x; b, s2 I) - KL(q || p)."""
    spec = Spec((2,), 8, 4)
    estimator = estimators.build(spec, estimators.EstimatorConfig(latent=3, variance=0.25))
    phi = estimator.init(torch.Generator().manual_seed(0))
    encode = nets.encoder(spec, 6)
    decoder = torch.zeros(estimator.size - encode.size)
    decoder[-2:] = torch.tensor([0.5, -1.0])
    phi = torch.cat([phi[: encode.size], decoder])
    x, eps = torch.randn(4, 2), torch.randn(4, 3)
    mean = torch.tensor([0.5, -1.0])
    log_lik = torch.distributions.Normal(mean, 0.5).log_prob(x).sum(1)
    mu, log_var = encode.apply(phi[: encode.size], x).chunk(2, dim=1)
    q = torch.distributions.Normal(mu, (log_var / 2).exp())
    p = torch.distributions.Normal(torch.zeros(3), torch.ones(3))
    kl = torch.distributions.kl_divergence(q, p).sum(1)
    torch.testing.assert_close(estimator.log_prob(phi, x, eps), log_lik - kl)


def test_pacgan_judges_independent_pairs():
    """With m = 2 the discriminator's first step equals that of a GAN on concatenated points."""
    method, spec = build("pacgan", m=2)
    state, inputs = method.init(0), batch(method, spec)
    _, logs = method.step(state, inputs)
    generator, discriminator = nets.generator(spec), nets.discriminator(spec, pack=2)
    x_g = generator.apply(state["theta"], inputs["z_psi"])
    fake = torch.cat([x_g[:8], x_g[8:]], dim=1)
    real = torch.cat([inputs["x"], inputs["x_pack1"]], dim=1)
    logits = [discriminator.apply(state["psi"], t) for t in (real, fake)]
    expected = F.softplus(-logits[0]).mean() + F.softplus(logits[1]).mean()
    torch.testing.assert_close(logs["loss_psi"], expected)


@pytest.mark.parametrize("sigma", [0.0, 1.0, 0.3])
def test_veegan_losses_by_hand(sigma):
    """Label 1 is the generated pair for D; G gets the raw logit with a plus sign."""
    # D stays where it starts
    method, spec = build("veegan", eta_psi=1e-12, reconstruction=0.0, sigma=sigma)
    state, inputs = method.init(0), batch(method, spec)
    _, logs = method.step(state, inputs)
    generator, judge = nets.generator(spec), nets.discriminator(spec, extra=spec.z_dim)
    reconstructor = nets.encoder(spec, spec.z_dim)

    def logit(x, z):
        return judge.apply(state["psi"], torch.cat([x, z], 1))

    generated = logit(generator.apply(state["theta"], inputs["z_psi"]), inputs["z_psi"])
    z_x = reconstructor.apply(state["xi"], inputs["x"]) + sigma * inputs["eps_xi"]
    real = logit(inputs["x"], z_x)
    loss_psi = F.softplus(-generated).mean() + F.softplus(real).mean()
    torch.testing.assert_close(logs["loss_psi"], loss_psi)
    loss_theta = logit(generator.apply(state["theta"], inputs["z"]), inputs["z"]).mean()
    torch.testing.assert_close(logs["loss_theta"], loss_theta)


def test_lbt_step_sizes_of_kept_and_unrolled_updates():
    """phi makes M steps of eta_phi_inner; the outer loss is taken K steps of eta_phi further."""
    method, spec = build("lbt", M=1, K=1, eta_phi=1e-3, eta_phi_inner=1e-2)
    state, inputs = method.init(0), batch(method, spec)
    after, logs = method.step(state, inputs)
    estimator = estimators.build(spec, estimators.EstimatorConfig())
    generate = nets.generator(spec).apply
    phi, m, v = state["phi"], 0.0, 0.0
    for t, (name, eta) in enumerate([("inner", 1e-2), ("unroll", 1e-3)], start=1):
        x, eps = generate(state["theta"], inputs[f"z_{name}"][0]), inputs[f"eps_{name}"][0]
        g = -torch.func.grad(lambda p, x=x, e=eps: estimator.log_prob(p, x, e).mean())(phi)
        m, v = 0.5 * m + 0.5 * g, 0.999 * v + 0.001 * g**2
        phi = phi - eta * (1 - 0.999**t) ** 0.5 / (1 - 0.5**t) * m / (v + 1e-8).sqrt()
        if name == "inner":
            torch.testing.assert_close(after["phi"], phi)
    loss = -estimator.log_prob(phi, inputs["x"], inputs["eps_x"]).mean()
    # A loss near 1000 divided by the variance 1e-3: rounding of positions is magnified.
    torch.testing.assert_close(logs["loss_theta"], loss, rtol=1e-4, atol=0)


def test_veegan_reconstruction_is_summed_over_the_latent():
    method, spec = build("veegan")
    without, _ = build("veegan", reconstruction=0.0)
    state, inputs = method.init(0), batch(method, spec)
    z = inputs["z"]
    reconstructor = nets.encoder(spec, spec.z_dim)
    x_g = nets.generator(spec).apply(state["theta"], z)
    distance = (z - reconstructor.apply(state["xi"], x_g)).square().sum() / len(z)
    losses = [m.step(state, inputs)[1]["loss_theta"] for m in (method, without)]
    torch.testing.assert_close(losses[0] - losses[1], distance, rtol=1e-4, atol=0)


def test_veegan_reconstructor_ignores_the_discriminator():
    """Algorithm 1: with no reconstruction term nothing moves F."""
    method, spec = build("veegan", reconstruction=0.0)
    state = method.init(0)
    after, _ = method.step(state, batch(method, spec))
    assert torch.equal(after["xi"], state["xi"])
    assert not torch.equal(after["theta"], state["theta"])


def test_ali_players_have_opposite_labels():
    method, spec = build("ali")
    state, inputs = method.init(0), batch(method, spec)
    _, logs = method.step(state, inputs)
    mu, log_sigma = nets.encoder(spec, 2 * spec.z_dim).apply(state["xi"], inputs["x"]).chunk(2, 1)
    z_x = mu + log_sigma.exp() * inputs["eps"]
    x_g = nets.generator(spec).apply(state["theta"], inputs["z"])
    judge = nets.discriminator(spec, extra=spec.z_dim)
    real = judge.apply(state["psi"], torch.cat([inputs["x"], z_x], 1))
    fake = judge.apply(state["psi"], torch.cat([x_g, inputs["z"]], 1))
    psi = F.softplus(-real).mean() + F.softplus(fake).mean()
    theta = F.softplus(real).mean() + F.softplus(-fake).mean()
    torch.testing.assert_close(logs["loss_psi"], psi)
    torch.testing.assert_close(logs["loss_theta"], theta)


def test_lbt_gan_without_weight_is_lbt():
    method, spec = build("lbt_gan", lambda_G=0.0)
    lbt, _ = build("lbt")
    inputs = batch(method, spec)
    ours, _ = method.step(method.init(0), inputs)
    theirs, _ = lbt.step(lbt.init(0), inputs)
    assert torch.equal(ours["theta"], theirs["theta"])


def test_unrolled_gan_makes_one_real_discriminator_step():
    """However far it looks ahead, psi itself takes a single step on the old generator."""
    (one, spec), (five, _) = build("unrolled_gan", K=1), build("unrolled_gan", K=5)
    inputs = batch(one, spec)
    first, second = (m.step(m.init(0), inputs)[0] for m in (one, five))
    assert torch.equal(first["psi"], second["psi"]) and first["opt_psi"]["t"] == 1
    assert not torch.equal(first["theta"], second["theta"])


@pytest.mark.parametrize(
    "net",
    [
        nets.mlp((3, 8, 7, 2)),
        nets.mlp((3, 8, 7, 2), torch.relu),
        nets.generator(Spec((2,), 3, 5, scale=5.0)),
    ],
)
def test_a_network_in_two_passes_is_the_network(net):
    """Value and gradient against ``torch.func.vjp``, in float64 to rounding."""
    draw = torch.Generator().manual_seed(0)
    params = net.init(draw).double()
    params += 0.1 * torch.randn(params.shape, generator=draw, dtype=torch.float64)
    x, g = (torch.randn(4, 5, n, generator=draw, dtype=torch.float64) for n in (3, 2))
    y, pull = net.differentiable(lambda fn: fn)(params, x)
    expected, pull_recorded = torch.func.vjp(lambda p: net.apply(p, x), params)
    assert torch.equal(y, expected)
    assert torch.allclose(pull(g), pull_recorded(g)[0], rtol=1e-12, atol=1e-12)


def test_rivals_take_noise_of_as_few_dimensions_as_their_authors():
    for name in ("ali", "veegan", "pacgan"):
        (run,) = Job("smoke", ("ring.z_dim=2", "ring.batch=8"), seeds=(0,)).runs("ring", name)
        method, spec, _ = prepare(run, lambda fn: fn)
        state, _ = method.step(method.init(0), batch(method, spec))
        assert method.sample(state, torch.randn(5, 2)).shape == (5, 2)
    (run,) = Job("smoke", ("ring.z_dim=2",), seeds=(0,)).runs("ring", "oracle")
    with pytest.raises(ValueError, match="z_dim must be at least 3"):
        prepare(run, lambda fn: fn)
