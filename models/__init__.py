"""From a layer graph in YAML to a `Network`."""

from .build import InputSpec, build_network
from .graph import Graph, plan_graph
from .network import Network, Output, parameter_count

__all__ = ["Graph", "InputSpec", "Network", "Output", "build_network", "parameter_count", "plan_graph"]
