"""A picture of a network's graph in SVG: along its edges, the loss terms whose gradients flow back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from .graph_boxes import KINDS, PictureNode, add_node, box_sizes
from .graph_layout import Link, Route, layout_graph
from .graph_legend import LegendEntry, add_legend
from .graph_strokes import (
    MOST_STROKES,
    add_count,
    add_edge,
    edge_breadth,
    edge_strokes,
    term_stroke,
)
from .palette import INK, color_of
from .svg import FONTS, add, fitted_text, length_text

__all__ = ["PictureEdge", "PictureNode", "draw_graph"]

_PADDING = 18.0
_TITLE_SIZE = 14.0
_TITLE_HEIGHT = 34.0
_LEGEND_GAP = 24.0
_LEAST_WIDTH = 400.0
_NO_TERM = "#777777"
_DESCRIPTION = (
    "The graph of a network from its inputs, on top, to its losses. A line in the color and pattern of a "
    "loss term runs where that term's gradient flows, against the arrows."
)


@dataclass(frozen=True)
class PictureEdge:
    """What the node `source` gives to the node `target`, by key; `terms` are those that flow back."""

    source: str
    target: str
    terms: tuple[str, ...] = ()


def draw_graph(
    nodes: Sequence[PictureNode], edges: Sequence[PictureEdge], *, terms: Sequence[str], title: str
) -> str:
    """The SVG document, the same bytes for the same graph.

    terms: all loss terms in the order of their colors; those of nodes and edges are among them. The edges
    form no cycle, and none leaves a loss.
    """
    assert len({node.key for node in nodes}) == len(nodes), "two nodes have one key"
    number = {term: index for index, term in enumerate(terms)}
    flows = [sorted({number[term] for term in edge.terms}) for edge in edges]
    layout = layout_graph(
        box_sizes(nodes),
        [
            Link(edge.source, edge.target, edge_breadth(edge_strokes(flow)))
            for edge, flow in zip(edges, flows, strict=True)
        ],
        last={node.key for node in nodes if node.kind == "loss"},
    )
    width = max(layout.width, _LEAST_WIDTH)
    root = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img"})
    top = _add_heading(root, title, width=width)
    left = _PADDING + (width - layout.width) / 2
    graph = add(root, "g", transform=f"translate({length_text(left)} {length_text(top)})")
    names = {node.key: node.lines[0] for node in nodes}
    titles = [
        f"{names[edge.source]} \u2192 {names[edge.target]}: {', '.join(edge.terms) or 'no gradient'}"
        for edge in edges
    ]
    _add_edges(graph, edges, titles=titles, flows=flows, routes=layout.routes)
    for node in nodes:
        color = _NO_TERM if node.term is None else color_of(number[node.term])
        add_node(graph, node, layout.boxes[node.key], color=color)
    legend = _sections(nodes, flows, terms)
    bottom = add_legend(root, legend, left=_PADDING, top=top + layout.height + _LEGEND_GAP, width=width)
    return _finish(root, width=width + 2 * _PADDING, height=bottom + _PADDING)


def _add_heading(root: Element, title: str, *, width: float) -> float:
    """What tells of the whole picture: its title, seen and heard, on a page of its own color; the y below."""
    add(root, "title", title)
    add(root, "desc", _DESCRIPTION)
    # White whatever the page around it: the colors are chosen for it.
    add(root, "rect", width="100%", height="100%", fill="white")
    shown = fitted_text(title, width, _TITLE_SIZE, is_bold=True)
    add(root, "text", shown, x=_PADDING + width / 2, y=_PADDING + _TITLE_SIZE, text_anchor="middle",
        font_family=FONTS, font_size=_TITLE_SIZE, font_weight="bold", fill=INK)  # fmt: skip
    return _PADDING + _TITLE_HEIGHT


def _add_edges(
    parent: Element, edges: Sequence[PictureEdge], *, titles: Sequence[str], flows: Sequence[Sequence[int]],
    routes: Sequence[Route],
) -> None:  # fmt: skip
    for edge, title, flow, route in zip(edges, titles, flows, routes, strict=True):
        group = add(parent, "g", data_source=edge.source, data_target=edge.target)
        add(group, "title", title)
        add_edge(group, route, edge_strokes(flow))
    # After all lines, so that none runs through a number.
    for flow, route in zip(flows, routes, strict=True):
        if len(flow) > MOST_STROKES:
            add_count(parent, route.bends[0], len(flow))


def _sections(
    nodes: Sequence[PictureNode], flows: Sequence[Sequence[int]], terms: Sequence[str]
) -> list[tuple[str, list[LegendEntry]]]:
    lines = [LegendEntry(term_stroke(index), term) for index, term in enumerate(terms)]
    many = next((flow for flow in flows if len(flow) > MOST_STROKES), None)
    if many is not None:
        lines.append(LegendEntry(edge_strokes(many)[0], f"{MOST_STROKES + 1} terms or more"))
    if not all(flows):
        lines.append(LegendEntry(edge_strokes(())[0], "no gradient"))
    kinds = {node.kind for node in nodes}
    boxes = [LegendEntry(kind, kind) for kind in KINDS if kind in kinds]
    sections = [("Gradients flow against the arrows", lines), ("Boxes", boxes)]
    return [(heading, entries) for heading, entries in sections if entries]


def _finish(root: Element, *, width: float, height: float) -> str:
    size = length_text(width), length_text(height)
    root.set("width", size[0])
    root.set("height", size[1])
    root.set("viewBox", f"0 0 {size[0]} {size[1]}")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"
