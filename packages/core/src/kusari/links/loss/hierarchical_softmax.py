"""Hierarchical softmax loss over a binary tree of words."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike, constant
from kusari.dtypes import DTypeLike, get_dtype
from kusari.errors import InvalidType
from kusari.functions.arguments import like
from kusari.initializers import Uniform
from kusari.model import DeviceResidentsVisitor, Link
from kusari.types import Array

Tree: TypeAlias = int | tuple["Tree", "Tree"]


class BinaryHierarchicalSoftmax(Link):
    """Compute the loss of words as the leaves of a binary tree, with a vector of its own for each inner node.

    −log p(t) = Σ log(1 + exp(−c (w · x))) over the nodes on the way to t, with c = 1 where the way turns left, else −1.

    Args:
        in_size: D: the vectors' length.
        tree: Words as numbers, in pairs of pairs: ``((1, 2), 3)``. `create_huffman_tree` makes one.
        dtype: W's; None: ``config.dtype``.

    Raises:
        TypeError: A tree that is not made of pairs and numbers.
        ValueError: A word twice, or below 0.

    Source: Morin, Bengio, 2005, Hierarchical probabilistic neural network language model.

    >>> layer = BinaryHierarchicalSoftmax(3, ((0, 1), 2))
    >>> layer.W.shape, layer(np.ones((2, 3), "f"), np.asarray([0, 2])).shape
    ((2, 3), ())
    """

    W: Parameter
    nodes: Array
    """(V, depth): which nodes are on the way to each word; 0 beyond its end."""
    turns: Array
    """(V, depth), int32: 1 left, −1 right, 0 beyond the end."""

    def __init__(self, in_size: int, tree: Tree, dtype: DTypeLike = None) -> None:
        super().__init__()
        ways, count = _ways(tree)
        depth = max(map(len, ways.values()))
        self.words = frozenset(ways)
        rows = [ways.get(word, []) for word in range(max(ways) + 1)]
        padded = [row + [(0, 0)] * (depth - len(row)) for row in rows]
        xp, native = self.xp, self.device.native
        self.nodes = xp.asarray([[node for node, _ in row] for row in padded], dtype=xp.int32, device=native)
        self.turns = xp.asarray([[turn for _, turn in row] for row in padded], dtype=xp.int32, device=native)
        with self.init_scope():
            filler = Uniform(1.0, get_dtype(dtype, map_mixed16="float32"))
            self.W = Parameter(filler, (count, in_size))

    def device_resident_accept(self, visitor: DeviceResidentsVisitor) -> None:
        """Show the visitor the ways to the words, too."""
        super().device_resident_accept(visitor)
        self.nodes = visitor.visit_array(self.nodes)
        self.turns = visitor.visit_array(self.turns)

    @staticmethod
    def create_huffman_tree(word_counts: Mapping[int, float]) -> Tree:
        """Return the tree in which the ways to all words, weighted by how often they occur, are shortest.

        Args:
            word_counts: How often each word occurs.

        Raises:
            ValueError: No words.

        Source: Huffman, 1952, A method for the construction of minimum-redundancy codes.

        >>> BinaryHierarchicalSoftmax.create_huffman_tree({0: 8, 1: 5, 2: 6, 3: 4})
        ((3, 1), (2, 0))
        """
        if not word_counts:
            raise ValueError("create_huffman_tree(): expected at least one word")
        # Equal counts: the part with the word that was given first. Files that hold W depend on it.
        heap: list[tuple[float, int, Tree]] = [(n, place, word) for place, (word, n) in enumerate(word_counts.items())]
        heapq.heapify(heap)
        while len(heap) > 1:
            first, second = heapq.heappop(heap), heapq.heappop(heap)
            heapq.heappush(heap, (first[0] + second[0], min(first[1], second[1]), (first[2], second[2])))
        return heap[0][2]

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The sizes."""
        yield from (("in_size", self.W.shape[1]), ("words", len(self.words)))

    def forward(self, x: VariableLike, t: VariableLike) -> Variable:
        """Return the sum of the losses of x (N, D) and words t (N,).

        Raises:
            InvalidType: Ranks or lengths that do not fit.
        """
        x, t = as_variable(x), as_variable(t)
        if x.ndim != 2 or t.shape != x.shape[:1] or x.shape[1] != self.W.shape[1]:
            raise InvalidType(f"x (N, {self.W.shape[1]}) and t (N,)", f"x {x.shape} and t {t.shape}")
        xp = x.xp
        nodes, turns = xp.take(self.nodes, t.array, axis=0), xp.take(self.turns, t.array, axis=0)
        vectors = F.embed_id(constant(nodes, x.device), like(x, self.W))
        scores = F.reshape(F.matmul(vectors, F.expand_dims(x, 2)), nodes.shape)
        signs = constant(xp.astype(turns, x.array.dtype), x.device)
        # Beyond a way's end the sign is 0, and so the loss a constant log 2: its sign, squared, takes it out.
        return F.sum(signs * signs * F.softplus(-signs * scores))


def _ways(tree: Tree) -> tuple[dict[int, list[tuple[int, int]]], int]:
    """Return the nodes and turns on the way to each word, and how many nodes there are."""
    ways: dict[int, list[tuple[int, int]]] = {}
    stack: list[tuple[Any, list[tuple[int, int]]]] = [(tree, [])]
    count = 0
    while stack:
        part, way = stack.pop()
        if isinstance(part, tuple) and len(part) == 2:
            stack.append((part[1], [*way, (count, -1)]))
            stack.append((part[0], [*way, (count, 1)]))
            count += 1
        elif isinstance(part, int):
            if part < 0 or part in ways:
                raise ValueError(f"BinaryHierarchicalSoftmax(tree): word {part} is below 0, or there twice")
            ways[part] = way
        else:
            raise TypeError(f"BinaryHierarchicalSoftmax(tree): expected pairs and words, got {part!r}")
    if not count:
        raise TypeError(f"BinaryHierarchicalSoftmax(tree={tree!r}): expected a pair")
    return ways, count
