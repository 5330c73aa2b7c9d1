"""Nodal analysis of a network of resistors with terminals: exact, sparse, in float64.

Kirchhoff's current law at every inner node, ``L_uu v_u = -L_ut v_t``, with ``L`` the Laplacian of
the conductances, ``u`` the inner nodes and ``t`` the terminals, whose voltages are given. The
matrix is factorised once and used for any number of voltages. A resistance of zero is one: what it
joins is one node.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Index = NDArray[np.intp]


class ResistorNetwork:
    """Resistors between nodes 0 to ``nodes - 1``.

    Nodes that nothing joins to a terminal carry no current; their voltage is taken as 0 V.

    Args:
        nodes: how many.
        a: one end of each resistor, ``(resistors,)``.
        b: the other end.
        conductance: of each, S; ``inf`` joins the two nodes, 0 is no resistor.
        terminals: the nodes whose voltages are given, ``(terminals,)``.

    Raises:
        ValueError: resistances of zero join two terminals.
    """

    def __init__(self, nodes: int, a: Index, b: Index, conductance: Floats, terminals: Index):
        joined = np.isinf(conductance)
        self._node = _groups(nodes, a[joined], b[joined])
        count = int(self._node.max()) + 1
        ends = self._node[terminals]
        if np.unique(ends).size != ends.size:
            raise ValueError("two terminals are joined by resistances of zero")
        apart = ~joined & (conductance > 0)
        laplacian = _laplacian(
            count, self._node[a[apart]], self._node[b[apart]], conductance[apart]
        )
        self._count, self._ends = count, ends
        self._inner = _inner(laplacian, ends)
        self._to_ends = laplacian[self._inner][:, ends]
        self._solve = _factorised(laplacian[self._inner][:, self._inner])

    def voltages(self, terminal_voltages: Floats) -> Floats:
        """Voltages at all nodes, V.

        Args:
            terminal_voltages: ``(terminals, batch)``, V.

        Returns:
            ``(nodes, batch)``, V.
        """
        found = np.zeros((self._count, terminal_voltages.shape[1]))
        found[self._ends] = terminal_voltages
        if self._inner.size:
            into = np.asfortranarray(-(self._to_ends @ terminal_voltages))
            found[self._inner] = self._solve(into)
        return found[self._node]


def _groups(nodes: int, a: Index, b: Index) -> Index:
    """A number for each node; nodes that are joined have the same."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    joins = coo_array((np.ones(a.size), (a, b)), shape=(nodes, nodes))
    numbers: Index = connected_components(joins, directed=False)[1].astype(np.intp)
    return numbers


def _laplacian(nodes: int, a: Index, b: Index, conductance: Floats) -> Any:
    from scipy.sparse import coo_array

    i, j = np.concatenate([a, b, a, b]), np.concatenate([b, a, a, b])
    values = np.concatenate([-conductance, -conductance, conductance, conductance])
    return coo_array((values, (i, j)), shape=(nodes, nodes)).tocsr()


def _inner(laplacian: Any, ends: Index) -> Index:
    """Nodes whose voltage is to be found: those with a way to a terminal, without the terminals."""
    from scipy.sparse.csgraph import connected_components

    group = connected_components(laplacian, directed=False)[1]
    reached = np.isin(group, group[ends])
    reached[ends] = False
    return np.flatnonzero(reached)


def _factorised(matrix: Any) -> Any:
    """A function that solves for columns; the matrix is symmetric and positive definite."""
    from scipy.sparse.linalg import splu

    if not matrix.shape[0]:
        return None
    factors = splu(
        matrix.tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    return factors.solve
