"""From a layer graph in YAML to a `Network`."""

from .build import build_network
from .context import InputSpec
from .graph import Graph, plan_graph
from .network import Network, Output, Walk, parameter_count
from .penalties import Penalty

__all__ = [
    "Graph", "InputSpec", "Network", "Output", "Penalty", "Walk", "build_network", "parameter_count",
    "plan_graph",
]  # fmt: skip
