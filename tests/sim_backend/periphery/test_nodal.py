from __future__ import annotations

import numpy as np
import pytest

from ohmloop.sim_backend.periphery.nodal import ResistorNetwork


def _network(nodes, edges, terminals):
    a, b, g = zip(*edges, strict=True)
    return ResistorNetwork(nodes, np.array(a), np.array(b), np.array(g, float), np.array(terminals))


def test_a_divider():
    network = _network(3, [(0, 2, 1.0), (2, 1, 3.0)], [0, 1])
    volts = np.array([[4.0, 1.0], [0.0, 1.0]])
    np.testing.assert_allclose(network.voltages(volts)[2], [1.0, 1.0], rtol=1e-15)


def test_a_balanced_bridge_has_no_current_across():
    edges = [(0, 2, 1.0), (2, 1, 2.0), (0, 3, 1.0), (3, 1, 2.0), (2, 3, 5.0)]
    network = _network(4, edges, [0, 1])
    volts = np.array([[1.0], [0.0]])
    np.testing.assert_allclose(network.voltages(volts)[2:, 0], [1 / 3, 1 / 3], rtol=1e-14)


def test_no_resistance_joins_nodes_and_no_conductance_parts_them():
    edges = [(0, 2, np.inf), (2, 3, 2.0), (3, 1, np.inf), (2, 4, 0.0), (4, 5, 1.0)]
    network = _network(6, edges, [0, 1])
    volts = np.array([[3.0], [1.0]])
    np.testing.assert_array_equal(network.voltages(volts)[:, 0], [3.0, 1.0, 3.0, 1.0, 0.0, 0.0])


def test_shorted_terminals_are_refused():
    with pytest.raises(ValueError, match="two terminals"):
        _network(3, [(0, 2, np.inf), (2, 1, np.inf)], [0, 1])
