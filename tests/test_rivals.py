"""What distinguishes the later rivals, by hand calculation on their own networks."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from conftest import batch, build

from methods import flow_matching, losses, mmd, nets, sngan, wgan_gp
from methods.base import Spec

PICTURES = Spec((3, 28, 28), 256, 4)


def draws(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def small_judge(seed: int) -> tuple[nets.Net, torch.Tensor]:
    net = nets.mlp((2, 4, 3, 1))
    psi = net.init(torch.Generator().manual_seed(seed)).double()
    return net, psi + 0.3 * draws(seed, *psi.shape)


@pytest.mark.parametrize("kind", ["zero-centred", "one-centred"])
def test_penalty_gradients_against_finite_differences(kind):
    """The second derivatives of D that a penalty's gradient is made of."""
    net, psi = small_judge(0)
    x, x_g = draws(1, 5, 2), draws(2, 5, 2)

    def value(psi, x):
        def judge(x):
            return net.apply(psi, x).squeeze(1)

        if kind == "zero-centred":
            return losses.with_slopes(judge, x)[1].mean()
        return wgan_gp.penalty(judge, x, x_g, torch.full((5,), 0.3))

    with torch.enable_grad():
        assert torch.autograd.gradcheck(value, (psi.requires_grad_(), x.requires_grad_()))


def slopes_of(judge, psi: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """|grad_x D(x)|, point by point."""
    single = torch.func.grad(lambda point: judge.apply(psi, point[None]).squeeze(0))
    return torch.stack([single(point).norm() for point in x])


@pytest.mark.parametrize("penalty", ["r1r2", "r1", "none"])
@pytest.mark.parametrize("relativistic", [True, False])
def test_r3gan_losses_by_hand(relativistic, penalty):
    settings = {"relativistic": relativistic, "penalty": penalty, "gamma": 3.0}
    method, spec = build("r3gan", eta_psi=1e-12, **settings)  # D stays where it starts
    state, inputs = method.init(0), batch(method, spec)
    _, logs = method.step(state, inputs)
    judge, generate, psi = nets.discriminator(spec), nets.generator(spec).apply, state["psi"]
    x, x_g = inputs["x_psi"], generate(state["theta"], inputs["z_psi"])
    real, fake = judge.apply(psi, x), judge.apply(psi, x_g)
    if relativistic:
        expected = F.softplus(fake - real).mean()
    else:
        expected = F.softplus(-real).mean() + F.softplus(fake).mean()
    if penalty != "none":
        expected += 3 / 2 * slopes_of(judge, psi, x).square().mean()
    if penalty == "r1r2":
        expected += 3 / 2 * slopes_of(judge, psi, x_g).square().mean()
    torch.testing.assert_close(logs["loss_psi"], expected)
    fake = judge.apply(psi, generate(state["theta"], inputs["z"]))
    ahead = judge.apply(psi, inputs["x"]) if relativistic else 0.0
    torch.testing.assert_close(logs["loss_theta"], F.softplus(ahead - fake).mean())


def test_wgan_gp_losses_by_hand():
    """The last of two critic steps, on data, noise and a mixture of its own."""
    method, spec = build("wgan_gp", eta_psi=1e-12, n_critic=2, lambda_gp=7.0)
    assert method.data == ("x", "x_critic1")
    state, inputs = method.init(0), batch(method, spec)
    _, logs = method.step(state, inputs)
    judge, generate, psi = nets.discriminator(spec), nets.generator(spec).apply, state["psi"]
    x, x_g = inputs["x_critic1"], generate(state["theta"], inputs["z_psi"][1])
    u = torch.special.ndtr(inputs["mix"][1])[:, None]
    slopes = slopes_of(judge, psi, u * x + (1 - u) * x_g)
    expected = judge.apply(psi, x_g).mean() - judge.apply(psi, x).mean()
    expected += 7 * (slopes - 1).square().mean()
    torch.testing.assert_close(logs["loss_psi"], expected)
    fake = judge.apply(psi, generate(state["theta"], inputs["z"]))
    torch.testing.assert_close(logs["loss_theta"], -fake.mean())


@pytest.mark.parametrize("name", ["wgan_gp", "sngan"])
def test_the_critic_makes_five_steps_to_one_of_the_generator(name):
    method, spec = build(name)
    state, inputs = method.init(0), batch(method, spec)
    after, _ = method.step(state, inputs)
    assert (after["opt_psi"]["t"], after["opt_theta"]["t"]) == (5, 1)
    for stream in method.data:  # each of them is used
        other, _ = method.step(state, inputs | {stream: inputs[stream] + 0.5})
        assert not torch.equal(other["psi"], after["psi"])


def test_spectral_norm_is_the_largest_singular_value_after_many_iterations():
    net, psi = small_judge(3)
    u = draws(4, 4 + 3 + 1)
    for _ in range(300):
        normal, u = sngan.spectrally_normalised(psi, u, net.shapes)
    pairs = zip(*(nets.unflatten(p, net.shapes) for p in (psi, normal)), strict=True)
    for before, after in pairs:
        if before.ndim == 1:
            assert torch.equal(before, after)
        else:
            sigma = torch.linalg.svdvals(before)[0]
            torch.testing.assert_close(after, before / sigma)


def test_gradients_through_a_spectral_norm():
    """At rest they are those of dividing by the largest singular value."""
    net, psi = small_judge(3)
    x, u = draws(5, 6, 2), draws(4, 4 + 3 + 1)
    for _ in range(300):
        _, u = sngan.spectrally_normalised(psi, u, net.shapes)

    def ours(psi):
        return net.apply(sngan.spectrally_normalised(psi, u, net.shapes)[0], x).mean()

    def exact(psi):
        parts = [
            part if part.ndim == 1 else part / torch.linalg.matrix_norm(part, 2)
            for part in nets.unflatten(psi, net.shapes)
        ]
        return net.apply(torch.cat([part.flatten() for part in parts]), x).mean()

    torch.testing.assert_close(torch.func.grad(ours)(psi), torch.func.grad(exact)(psi))


def test_sngan_losses_by_hand():
    """With one critic step: one power iteration before D's step, one more before G's."""
    method, spec = build("sngan", eta_psi=1e-12, n_critic=1)
    state, inputs = method.init(0), batch(method, spec)
    after, logs = method.step(state, inputs)
    judge = nets.discriminator(spec, activation=torch.relu)
    generate = nets.generator(spec).apply
    first, u = sngan.spectrally_normalised(state["psi"], state["u"], judge.shapes)
    x_g = generate(state["theta"], inputs["z_psi"][0])
    real, fake = judge.apply(first, inputs["x"]), judge.apply(first, x_g)
    expected = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    torch.testing.assert_close(logs["loss_psi"], expected)
    second, u = sngan.spectrally_normalised(state["psi"], u, judge.shapes)
    fake = judge.apply(second, generate(state["theta"], inputs["z"]))
    torch.testing.assert_close(logs["loss_theta"], -fake.mean())
    torch.testing.assert_close(after["u"], u)


def test_under_spectral_norms_only_relu_bends_over_data_of_size_one():
    """The share of D's variance that no linear function of the points explains."""
    shares = {}
    for activation in (nets.tanh, torch.relu):
        net = nets.discriminator(Spec((2,), 3, 8), activation=activation)
        psi, u = net.init(torch.Generator().manual_seed(0)).double(), draws(0, 128 + 128 + 1)
        for _ in range(200):
            normal, u = sngan.spectrally_normalised(psi, u, net.shapes)
        x = torch.cat([draws(1, 4000, 2), torch.ones(4000, 1, dtype=torch.float64)], 1)
        logits = net.apply(normal, x[:, :2])
        fit = x @ torch.linalg.lstsq(x, logits[:, None]).solution
        shares[activation] = (logits - fit[:, 0]).var() / logits.var()
    assert shares[nets.tanh] < 0.001 and shares[torch.relu] > 0.5


def test_convolutions_are_normalised_as_rows_of_output_channels():
    net = nets.discriminator(PICTURES, "metz", normalised=False)
    psi = net.init(torch.Generator().manual_seed(0)).double()
    u = draws(0, 8 + 16 + 32 + 1)
    for _ in range(100):
        normal, u = sngan.spectrally_normalised(psi, u, net.shapes)
    for part in nets.unflatten(normal, net.shapes):
        if part.ndim > 1:  # 100 iterations of close singular values
            assert abs(torch.linalg.svdvals(part.flatten(1))[0] - 1) < 0.01


@pytest.mark.parametrize("family, parameters", [("metz", 6_657 - 2 * 56), ("lbt", 1_615_633)])
def test_a_discriminator_without_normalisation_judges_images_one_by_one(family, parameters):
    net = nets.discriminator(PICTURES, family, normalised=False)
    assert net.size == parameters == sum(math.prod(shape) for shape in net.shapes)
    psi = net.init(torch.Generator().manual_seed(0))
    x = torch.rand(4, 3, 28, 28, generator=torch.Generator().manual_seed(1))
    alone = torch.cat([net.apply(psi, x[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(net.apply(psi, x), alone)


def test_mmd_by_hand():
    x, x_g = draws(0, 4, 3), draws(1, 4, 3)
    pairs = list(itertools.permutations(range(4), 2))
    largest = sum((x[i] - x[j]).square().sum() for i, j in pairs) / 12
    expected = 0.0
    for octave in range(3):
        variance = largest / 4**octave

        def k(a, b, variance=variance):
            return torch.exp(-(a - b).square().sum() / (2 * variance))

        expected += sum(k(x[i], x[j]) + k(x_g[i], x_g[j]) for i, j in pairs) / 12
        expected -= 2 * sum(k(a, b) for a in x for b in x_g) / 16
    torch.testing.assert_close(mmd.mmd(x, x_g, 3), expected)


def test_mmd_is_unbiased_and_tells_distributions_apart():
    same = torch.stack([mmd.mmd(draws(i, 20, 2), draws(-i - 1, 20, 2), 3) for i in range(400)])
    error = same.std() / math.sqrt(len(same))
    assert abs(same.mean()) < 4 * error
    other = torch.stack([mmd.mmd(draws(i, 20, 2), 2 * draws(-i - 1, 20, 2), 3) for i in range(50)])
    assert other.mean() > 20 * error


def test_mmd_gradient_against_finite_differences():
    x, x_g = draws(0, 5, 2), draws(1, 5, 2)
    with torch.enable_grad():
        assert torch.autograd.gradcheck(lambda g: mmd.mmd(x, g, 4), x_g.requires_grad_())


def test_flow_matching_loss_by_hand():
    method, spec = build("flow_matching")
    state, inputs = method.init(0), batch(method, spec)
    _, logs = method.step(state, inputs)
    net = flow_matching.velocity(spec, nets.generator(spec).size)
    t, x_0 = torch.special.ndtr(inputs["t"]), inputs["x_0"]
    v = net.apply(state["theta"], torch.cat([(1 - t) * x_0 + t * inputs["x"], t], 1))
    expected = (v - (inputs["x"] - x_0)).square().sum(1).mean() / 2
    torch.testing.assert_close(logs["loss_theta"], expected)


@pytest.mark.parametrize("spec", [Spec((2,), 256, 8), Spec((2,), 40, 8), PICTURES])
def test_the_velocity_has_the_generators_size(spec):
    size = nets.generator(spec).size
    net = flow_matching.velocity(spec, size)
    assert abs(net.size / size - 1) < 0.01


def test_the_sampler_is_of_second_order_and_counts_its_passes():
    """Halving the steps divides the error by four."""
    ends = {}
    for steps in (4, 8, 512):
        method, spec = build("flow_matching", steps=steps)
        state = {"theta": 3 * method.init(0)["theta"].double()}
        ends[steps] = method.sample(state, draws(0, 50, spec.z_dim))
        assert method.passes == 2 * steps
    coarse, fine = ((ends[n] - ends[512]).norm() for n in (4, 8))
    assert 3 < coarse / fine < 5.5


def test_flow_matching_starts_images_from_repeated_normals():
    from benchmark.core.modules import config_class

    method = flow_matching.build(PICTURES, config_class(flow_matching)(steps=1))
    theta = torch.zeros_like(method.init(0)["theta"])  # v = 0: x_0 itself
    z = torch.randn(3, 256, generator=torch.Generator().manual_seed(0))
    x = method.sample({"theta": theta}, z).flatten(1)
    expected = torch.cat([z] * 10, 1)[:, : 3 * 28 * 28]
    torch.testing.assert_close(x, ((expected + 1) / 2).clamp(0, 1))
