"""Muon: its steps, against the singular value decomposition; which parameters it takes for matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import kusari.links as L
from kusari import optimizers, serializers
from kusari.autograd.parameter import Parameter
from kusari.backend import Backend
from kusari.kernels import matrix_update
from kusari.model import Chain, Link


def link_of(**params: Parameter) -> Link:
    link = Link()
    with link.init_scope():
        for name, param in params.items():
            setattr(link, name, param)
    return link


def singular_values(a: Any) -> Any:
    return np.linalg.svd(a, compute_uv=False)


@pytest.mark.parametrize("shape", [(4, 4), (3, 8), (8, 3), (64, 32)])
def test_five_steps_make_a_matrix_nearly_orthogonal(shape: tuple[int, int], backend: Backend, host: Any) -> None:
    rng = np.random.default_rng(0)
    u, _, v = np.linalg.svd(rng.standard_normal(shape), full_matrices=False)
    sigma = np.geomspace(1.0, 0.01, len(v))
    made = host(matrix_update.orthogonalized(backend, backend.from_host((u * sigma) @ v), 5))
    found = singular_values(made)
    assert 0.6 < found.min() <= found.max() < 1.3
    # The singular vectors stay: Uᵀ · made · V is diagonal.
    np.testing.assert_allclose(u.T @ made @ v.T, np.diag(np.diag(u.T @ made @ v.T)), atol=1e-6)


def test_the_documented_range_of_the_iteration() -> None:
    x = np.geomspace(0.002, 1.0, 10_000)
    for _ in range(5):
        x = 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    assert 0.6 < x.min() <= x.max() < 1.25


def test_steps_of_a_filter_follow_the_formula(array: Any, host: Any) -> None:
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal((6, 2, 1, 2)), rng.standard_normal((3, 6, 2, 1, 2))
    param = Parameter(array(start))
    optimizer = optimizers.Muon(lr=0.1, momentum=0.8, eta=0.5, weight_decay_rate=0.1).setup(link_of(W=param))
    p, v = start, np.zeros_like(start)
    for gradient in gradients:
        param.grad = array(gradient)
        optimizer.update()
        v = 0.8 * v + gradient
        u, sigma, vt = np.linalg.svd((gradient + 0.8 * v).reshape(6, 4), full_matrices=False)
        sigma = sigma / np.sqrt(np.sum(sigma**2))
        for _ in range(5):
            sigma = 3.4445 * sigma - 4.7750 * sigma**3 + 2.0315 * sigma**5
        p = p - 0.5 * (0.1 * np.sqrt(6 / 4) * (u * sigma @ vt).reshape(p.shape) + 0.1 * p)
    np.testing.assert_allclose(host(param), p, atol=1e-5)
    np.testing.assert_allclose(host(param.update_rule.state["v"]), v, atol=1e-12)


def test_vectors_and_what_is_said_to_be_no_matrix_are_adam_s(array: Any, host: Any) -> None:
    class Chosen(optimizers.Muon):
        def is_matrix(self, path: str, param: Parameter) -> bool:
            return super().is_matrix(path, param) and path != "/head"

    rng = np.random.default_rng(0)
    values = {"W": rng.standard_normal((3, 3)), "b": rng.standard_normal(3), "head": rng.standard_normal((2, 3))}
    gradients = {name: rng.standard_normal(value.shape) for name, value in values.items()}

    def trained(optimizer: Any) -> dict[str, Any]:
        link = link_of(**{name: Parameter(array(value)) for name, value in values.items()})
        optimizer.setup(link)
        for _ in range(3):
            for name, param in link.namedparams():
                param.grad = array(gradients[name[1:]])
            optimizer.update()
        return {name[1:]: host(param) for name, param in link.namedparams()}

    muon = trained(Chosen(alpha=0.1, beta2=0.9))
    adam = trained(optimizers.Adam(alpha=0.1, beta2=0.9))
    np.testing.assert_array_equal(muon["b"], adam["b"])
    np.testing.assert_array_equal(muon["head"], adam["head"])
    assert np.abs(muon["W"] - adam["W"]).max() > 0.1


def test_a_float16_matrix_is_updated_in_float32(backend: Backend, host: Any) -> None:
    if "float16" not in backend.dtypes:
        pytest.skip(f"{backend} has no float16")
    param = Parameter(backend.from_host(np.eye(2, dtype="e")))
    optimizer = optimizers.Muon(lr=1e-4)
    optimizer.use_fp32_update()
    optimizer.setup(link_of(W=param, b=Parameter(backend.from_host(np.ones(2, "e")))))
    for _ in range(20):  # each step is less than half of float16's last place at 1
        for each in optimizer.target.params():
            each.grad = backend.from_host(np.ones(each.shape, "e"))
        optimizer.update()
    assert host(param).dtype == np.float16
    assert (np.diag(host(param)) < 1).all()
    assert (host(optimizer.target.b) < 1).all()


def test_a_parameter_without_a_shape_is_refused_before_anything_changes() -> None:
    model = Chain(l1=L.Linear(2, 3), l2=L.Linear(None, 2))
    with pytest.raises(ValueError, match=r"/l2/W has no shape yet.*call the link once"):
        optimizers.Muon().setup(model)
    assert model.l1.W.update_rule is None


def test_a_run_goes_on_from_a_file(tmp_path: Any) -> None:
    def step(model: Chain, optimizer: Any) -> None:
        for param in model.params():
            param.grad = np.sin(param.array + 1)
        optimizer.update()

    model, twin = Chain(l=L.Linear(3, 2)), Chain(l=L.Linear(3, 2))
    optimizer, other = optimizers.Muon().setup(model), optimizers.Muon().setup(twin)
    step(model, optimizer)
    for name, saved, loaded in (("m", model, twin), ("o", optimizer, other)):
        serializers.save_npz(tmp_path / name, saved)
        serializers.load_npz(tmp_path / name, loaded)
    step(model, optimizer)
    step(twin, other)
    for a, b in zip(model.params(), twin.params(), strict=True):
        np.testing.assert_array_equal(a.array, b.array)
