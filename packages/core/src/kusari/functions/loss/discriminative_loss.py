"""Discriminative loss of embeddings, for instance segmentation."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable, as_variable
from kusari.autograd.arithmetic import absolute, matmul
from kusari.autograd.shaping import broadcast_to, reshape
from kusari.autograd.shaping import sum as sum_over
from kusari.autograd.variable import VariableLike, constant
from kusari.errors import InvalidType
from kusari.functions.activation.relu import relu
from kusari.functions.loss.norm import euclidean_norm


def discriminative_margin_based_clustering_loss(
    embeddings: VariableLike,
    labels: VariableLike,
    delta_v: float,
    delta_d: float,
    max_embedding_dim: int,
    norm: int = 1,
    alpha: float = 1.0,
    beta: float = 1.0,
    gamma: float = 0.001,
) -> tuple[Variable, Variable, Variable]:
    """Compute the three terms of the discriminative loss: pixels near their centre, centres apart, and near 0.

    Each of K instances has the mean μ of its pixels' embeddings x as its centre, 0 where it has no pixels:

    variance α/K Σₖ meanᵢ max(‖μₖ − xᵢ‖ − δᵥ, 0)²,
    distance β/(K(K − 1)) Σₖ≠ₗ max(2δ_d − ‖μₖ − μₗ‖, 0)²,
    regularization γ/K Σₖ ‖μₖ‖.

    Args:
        embeddings: (N, K, H, W), floating.
        labels: (N, H, W), integers: instances 1 to K; pixels of others, such as 0, do not count.
        delta_v: δᵥ: how far from its centre a pixel may be.
        delta_d: δ_d: half the distance that centres should have.
        max_embedding_dim: K: the length of embeddings, and the number of instances.
        norm: 1: Σ|x|, or 2: √Σx².
        alpha: The variance term's weight.
        beta: The distance term's.
        gamma: The regularization term's.

    Returns:
        The three terms, 0-d, each averaged over N.

    Raises:
        ValueError: Another ``norm``, or ``max_embedding_dim`` is not K.
        InvalidType: Ranks or lengths that do not fit.

    Source: De Brabandere, Neven, Van Gool, 2017, Semantic instance segmentation with a discriminative loss function,
    arXiv:1708.02551.

    >>> embeddings = np.asarray([[[[0.0, 2.0, 5.0, 5.0]], [[0.0, 0.0, 1.0, 1.0]]]])
    >>> labels = np.asarray([[[1, 1, 2, 2]]])
    >>> terms = discriminative_margin_based_clustering_loss(embeddings, labels, 0.5, 3.0, 2)
    >>> [term.item() for term in terms]
    [0.125, 1.0, 0.0035]
    """
    embeddings, labels = as_variable(embeddings), as_variable(labels)
    _check(embeddings, labels, max_embedding_dim, norm)
    n, k = embeddings.shape[:2]
    x = reshape(embeddings, (n, k, -1))
    membership, size = _membership(x, labels)
    # K labels beside K channels: the masks are no larger than the embeddings, and means are one product.
    centre = matmul(x, constant(x.xp.matrix_transpose(membership / size), x.device))
    distance = _length(x - matmul(centre, constant(membership, x.device)), norm)
    share = constant(x.xp.sum(membership / size, axis=1), x.device)
    spread = relu(distance - delta_v)
    variance = sum_over(spread * spread * share) * (alpha / max(n * k, 1))
    regularization = sum_over(_length(centre, norm)) * (gamma / max(n * k, 1))
    return variance, _repulsion(centre, delta_d, norm) * (beta / max(n * k * (k - 1), 1)), regularization


def _repulsion(centre: Variable, delta_d: float, norm: int) -> Variable:
    """Return Σ max(2δ_d − ‖μₖ − μₗ‖, 0)² over pairs of different centres (N, K, instances)."""
    n, k, instances = centre.shape
    shape = (n, k, instances, instances)
    one = broadcast_to(reshape(centre, (n, k, instances, 1)), shape)
    other = broadcast_to(reshape(centre, (n, k, 1, instances)), shape)
    gap = relu(2 * delta_d - _length(one - other, norm))
    xp, device = centre.xp, centre.device
    different = 1 - xp.eye(instances, dtype=centre.array.dtype, device=device.native)
    return sum_over(gap * gap * constant(different, device))


def _length(x: Variable, norm: int) -> Variable:
    return sum_over(absolute(x), axis=1) if norm == 1 else euclidean_norm(x, axis=1)


def _membership(x: Variable, labels: Variable) -> tuple[Any, Any]:
    """Return 1 where a pixel is of an instance, else 0 (N, K, pixels), and the sizes (N, K, 1), at least 1."""
    xp, (n, k, pixels) = x.xp, x.shape
    instance = xp.arange(1, k + 1, dtype=labels.array.dtype, device=x.device.native)
    found = xp.reshape(labels.array, (n, 1, pixels)) == xp.reshape(instance, (1, k, 1))
    membership = xp.astype(found, x.array.dtype)
    return membership, xp.maximum(xp.sum(membership, axis=2, keepdims=True), 1)


def _check(embeddings: Variable, labels: Variable, max_embedding_dim: int, norm: int) -> None:
    if norm not in (1, 2):
        raise ValueError(f"discriminative_margin_based_clustering_loss(norm={norm}): expected 1 or 2")
    if embeddings.ndim != 4 or labels.shape != (embeddings.shape[0], *embeddings.shape[2:]):
        raise InvalidType("embeddings (N, K, H, W) and labels (N, H, W)", f"{embeddings.shape} and {labels.shape}")
    if embeddings.shape[1] != max_embedding_dim:
        raise ValueError(
            f"discriminative_margin_based_clustering_loss(max_embedding_dim={max_embedding_dim}): expected "
            f"{embeddings.shape[1]}, the length of the embeddings' second axis"
        )
