"""Drawing graphs, at its documented path."""

from kusari.graph import ComputationalGraph as ComputationalGraph
from kusari.graph import build_computational_graph as build_computational_graph
