"""The picture of a graph: everything is on it, nothing covers anything, and colors say what flows back."""

from __future__ import annotations

import itertools
import math
import os
import re
import string
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath
from mlx_runner.records.graph_picture import PictureEdge, PictureNode, draw_graph
from mlx_runner.records.graph_strokes import MOST_STROKES, NO_GRADIENT, term_stroke
from mlx_runner.records.palette import color_of
from mlx_runner.records.svg import fitted_text, length_text, text_width

SVG = "{http://www.w3.org/2000/svg}"
Point = tuple[float, float]


@dataclass(frozen=True)
class Graph:
    """What `draw_graph` is called with."""

    nodes: tuple[PictureNode, ...]
    edges: tuple[PictureEdge, ...]
    terms: tuple[str, ...]

    def draw(self, title: str = "a graph") -> str:
        return draw_graph(self.nodes, self.edges, terms=self.terms, title=title)


@dataclass(frozen=True)
class Rect:
    left: float
    top: float
    right: float
    bottom: float

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2

    def holds(self, point: Point) -> bool:
        """Whether it lies inside, further than rounding reaches."""
        x, y = point
        return self.left + 0.2 < x < self.right - 0.2 and self.top + 0.2 < y < self.bottom - 0.2


def _graph(inputs: str, layers: dict[str, str], losses: dict[str, str]) -> Graph:
    """`layers` by name what they read, `losses` by term their output; several names stand with spaces."""
    above: dict[str, set[str]] = {}
    for name, of in layers.items():
        above[name] = {name}.union(*(above.get(each, set()) for each in of.split()))
    nodes = [PictureNode(name, "input", (name, "(100)")) for name in inputs.split()]
    nodes += [
        PictureNode(name, "output" if name in losses.values() else "layer", (name, "dense (64)", "4,160"))
        for name in layers
    ]
    nodes += [
        PictureNode(f"loss {term}", "loss", (term, "1.0 x binary_crossentropy"), term) for term in losses
    ]
    edges = [
        PictureEdge(each, name, tuple(term for term, output in losses.items() if name in above[output]))
        for name, of in layers.items()
        for each in of.split()
    ]
    edges += [PictureEdge(output, f"loss {term}", (term,)) for term, output in losses.items()]
    return Graph(tuple(nodes), tuple(edges), tuple(losses))


HEADLINE = _graph(
    "headline context",
    {
        "embedding": "headline",
        "lstm": "embedding",
        "aux_output": "lstm",
        "joined": "lstm context",
        "dense_1": "joined",
        "dense_2": "dense_1",
        "dense_3": "dense_2",
        "main_output": "dense_3",
    },
    {"main": "main_output", "aux": "aux_output"},
)
MULTIMNIST = _graph(
    "image",
    {
        "conv_1": "image",
        "pool_1": "conv_1",
        "shared": "pool_1",
        "left_1": "shared",
        "left": "left_1",
        "right_1": "shared",
        "right": "right_1",
    },
    {"left": "left", "right": "right"},
)
RESIDUAL = _graph(
    "image",
    {
        "stem": "image",
        "a_1": "stem",
        "a_2": "a_1",
        "a_add": "a_2 stem",
        "b_1": "a_add",
        "b_2": "b_1",
        "b_short": "a_add",
        "b_add": "b_2 b_short",
        "top": "b_add",
    },
    {"top": "top"},
)


def _heads(number: int) -> Graph:
    heads = [f"digit_{index}" for index in range(number)]
    return _graph(
        "image", {"trunk": "image", **dict.fromkeys(heads, "trunk")}, {name: name for name in heads}
    )


def _early_exits(depth: int, every: int) -> Graph:
    layers = {f"layer_{index}": f"layer_{index - 1}" if index else "image" for index in range(depth)}
    exits = {f"exit_{index}": f"layer_{index}" for index in range(0, depth, every)}
    return _graph("image", layers | exits, {name: name for name in exits})


def _dense(depth: int) -> Graph:
    """Every layer reads all before it."""
    names = ["image", *(f"layer_{index}" for index in range(depth))]
    layers = {name: " ".join(names[: index + 1]) for index, name in enumerate(names[1:])}
    return _graph("image", layers, {"main": names[-1]})


NAMED = {
    "headline": HEADLINE,
    "multimnist": MULTIMNIST,
    "residual": RESIDUAL,
    "heads": _heads(10),
    "exits": _early_exits(8, 2),
    "dense": _dense(7),
    "loose ends": Graph(
        (
            PictureNode("alone", "layer", ("alone",)),
            PictureNode("x", "input", ("x", "(1)")),
            PictureNode("twice", "output", ("twice",)),
            PictureNode("unused", "loss", ("unused",), "unused"),
        ),
        (PictureEdge("x", "twice"), PictureEdge("x", "twice", ("unused",))),
        ("unused",),
    ),
}


@st.composite
def _random_graphs(draw: st.DrawFn) -> Graph:
    number = draw(st.integers(1, 12))
    terms = tuple(f"term_{index}" for index in range(draw(st.integers(0, 9))))
    pairs = st.tuples(st.integers(0, number - 1), st.integers(0, number - 1))
    links = [pair for pair in draw(st.lists(pairs, max_size=24)) if pair[0] < pair[1]]
    flows = st.lists(st.sampled_from(terms), unique=True) if terms else st.just([])
    edges = tuple(PictureEdge(str(source), str(target), tuple(draw(flows))) for source, target in links)
    leaving = {source for source, _ in links}
    lines = st.lists(st.text(string.ascii_letters + "_ (),", min_size=1, max_size=60), min_size=1, max_size=4)
    kinds = st.sampled_from(["input", "layer", "output"])
    nodes = tuple(
        PictureNode(
            str(index),
            "loss" if index not in leaving and draw(st.booleans()) else draw(kinds),
            tuple(draw(lines)),
        )
        for index in range(number)
    )
    return Graph(nodes, edges, terms)


def _groups(text: str, attribute: str) -> list[Element]:
    return [group for group in ElementTree.fromstring(text).iter(f"{SVG}g") if attribute in group.attrib]


def _rects(text: str) -> dict[str, Rect]:
    """By key, the boxes of the nodes."""
    rects: dict[str, Rect] = {}
    for group in _groups(text, "data-node"):
        (shape,) = group.findall(f"{SVG}rect")
        left, top, width, height = (float(shape.attrib[name]) for name in ("x", "y", "width", "height"))
        rects[group.attrib["data-node"]] = Rect(left, top, left + width, top + height)
    return rects


def _edges(text: str) -> list[tuple[str, str, list[Element]]]:
    """Source, target and the lines of every edge, without its arrowhead."""
    return [
        (group.attrib["data-source"], group.attrib["data-target"], group.findall(f"{SVG}path[@stroke]"))
        for group in _groups(text, "data-source")
    ]


def _points(path: str) -> Iterator[Point]:
    """Points along a path of M, V and C, a few pixels apart."""
    x = y = 0.0
    for command, rest in re.findall(r"([A-Z])([^A-Z]*)", path):
        numbers = [float(each) for each in rest.split()]
        if command == "M":
            x, y = numbers
        elif command == "V":
            steps = max(int(abs(numbers[0] - y) / 3), 1)
            yield from ((x, y + (numbers[0] - y) * step / steps) for step in range(steps + 1))
            (y,) = numbers
        else:
            assert command == "C", path
            for t in (step / 60 for step in range(61)):
                a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
                yield (
                    a * x + b * numbers[0] + c * numbers[2] + d * numbers[4],
                    a * y + b * numbers[1] + c * numbers[3] + d * numbers[5],
                )
            x, y = numbers[4:]


def _check(graph: Graph) -> None:
    """All that holds for every picture."""
    text = graph.draw()
    rects = _rects(text)
    assert list(rects) == [node.key for node in graph.nodes]
    edges = _edges(text)
    assert [edge[:2] for edge in edges] == [(edge.source, edge.target) for edge in graph.edges]
    for one, other in itertools.combinations(rects.values(), 2):
        apart = (
            one.right <= other.left,
            other.right <= one.left,
            one.bottom <= other.top,
            other.bottom <= one.top,
        )
        assert any(apart)
    for source, target, lines in edges:
        assert rects[source].bottom < rects[target].top
        for line in lines:
            points = list(_points(line.attrib["d"]))
            assert points[0][1] == pytest.approx(rects[source].bottom, abs=0.2)
            assert rects[target].top - 10 < points[-1][1] < rects[target].top
            for end, rect in ((points[0], rects[source]), (points[-1], rects[target])):
                assert rect.left < end[0] < rect.right
            assert not any(rect.holds(point) for rect in rects.values() for point in points)
    losses = {node.key for node in graph.nodes if node.kind == "loss"}
    if losses:
        (middle,) = {round((rects[key].top + rects[key].bottom) / 2) for key in losses}
        assert all(rect.bottom < middle for key, rect in rects.items() if key not in losses)


@pytest.mark.parametrize("name", NAMED)
def test_nothing_covers_anything(name: str) -> None:
    _check(NAMED[name])


@settings(deadline=None)
@given(_random_graphs())
def test_nothing_covers_anything_whatever_the_graph(graph: Graph) -> None:
    _check(graph)


def test_no_graph_at_all() -> None:
    assert _rects(draw_graph([], [], terms=[], title="empty")) == {}


def test_everything_lies_on_the_page() -> None:
    for graph in NAMED.values():
        root = ElementTree.fromstring(graph.draw())
        _, _, width, height = (float(each) for each in root.attrib["viewBox"].split())
        assert (root.attrib["width"], root.attrib["height"]) == (length_text(width), length_text(height))
        (moved,) = (group for group in root if "transform" in group.attrib)
        x, y = (float(each) for each in re.findall(r"[\d.]+", moved.attrib["transform"]))
        for rect in _rects(graph.draw()).values():
            assert rect.left >= 0
            assert rect.top >= 0
            assert x + rect.right < width
            assert y + rect.bottom < height
        for text in root.iter(f"{SVG}text"):
            assert float(text.attrib["y"]) < height


def test_a_chain_and_a_long_edge_run_straight_down() -> None:
    text = HEADLINE.draw()
    rects = _rects(text)
    spine = ["headline", "embedding", "lstm", "joined", "dense_1", "dense_2", "dense_3", "main_output"]
    assert len({rects[name].middle for name in [*spine, "loss main"]}) == 1
    lines = {(source, target): lines for source, target, lines in _edges(text)}
    (line,) = lines["aux_output", "loss aux"]
    assert "C" not in line.attrib["d"], "the edge passes four rows without a bend"
    assert rects["aux_output"].right < rects["joined"].left
    assert rects["context"].left > rects["headline"].right


def test_a_skip_leaves_the_chain_beside_it_straight() -> None:
    rects = _rects(RESIDUAL.draw())
    assert (
        len({rects[name].middle for name in ("stem", "a_1", "a_2", "a_add", "b_1", "b_2", "b_add", "top")})
        == 1
    )


@pytest.mark.parametrize(
    ("graph", "trunk", "heads"),
    [
        (MULTIMNIST, "shared", ["left_1", "right_1"]),
        (_heads(3), "trunk", ["digit_0", "digit_1", "digit_2"]),
        (_heads(10), "trunk", [f"digit_{index}" for index in range(10)]),
    ],
)
def test_a_trunk_stands_over_the_middle_of_its_heads(graph: Graph, trunk: str, heads: list[str]) -> None:
    rects = _rects(graph.draw())
    middles = [rects[head].middle for head in heads]
    assert middles == sorted(middles), "from left to right in the order of the config"
    assert rects[trunk].middle == pytest.approx((middles[0] + middles[-1]) / 2, abs=1.0)


def test_a_stroke_per_term_in_its_color() -> None:
    edges = {(source, target): lines for source, target, lines in _edges(HEADLINE.draw())}
    main, aux = color_of(0), color_of(1)
    colors = {pair: [line.attrib["stroke"] for line in lines] for pair, lines in edges.items()}
    assert colors["embedding", "lstm"] == [main, aux]
    assert (
        colors["lstm", "joined"]
        == colors["context", "joined"]
        == colors["main_output", "loss main"]
        == [main]
    )
    assert colors["lstm", "aux_output"] == colors["aux_output", "loss aux"] == [aux]
    first, second = edges["embedding", "lstm"]
    starts = [next(_points(line.attrib["d"]))[0] for line in (first, second)]
    assert starts[1] - starts[0] > float(first.attrib["stroke-width"])
    assert "stroke-dasharray" not in first.attrib
    assert "stroke-dasharray" in second.attrib


def test_strokes_stay_apart_where_an_edge_runs_flat() -> None:
    terms = ("a", "b", "c")
    nodes = [PictureNode(key, "layer", (key,)) for key in ("top", *"123456789")]
    edges = [PictureEdge("top", key, terms) for key in "123456789"]
    for _, _, lines in _edges(draw_graph(nodes, edges, terms=terms, title="fan")):
        for one, other in itertools.pairwise(lines):
            far = list(_points(other.attrib["d"]))
            nearest = min(math.dist(point, each) for point in _points(one.attrib["d"]) for each in far)
            assert nearest > float(one.attrib["stroke-width"])


def test_an_edge_without_gradient_is_thin_and_grey() -> None:
    nodes = [PictureNode("x", "input", ("x",)), PictureNode("stopped", "layer", ("stopped",))]
    text = draw_graph(nodes, [PictureEdge("x", "stopped")], terms=["main"], title="stopped")
    ((_, _, (line,)),) = _edges(text)
    assert line.attrib["stroke"] == NO_GRADIENT
    assert float(line.attrib["stroke-width"]) < term_stroke(0).width
    assert _legend(text)["no gradient"].attrib == {
        **line.attrib,
        "d": _legend(text)["no gradient"].attrib["d"],
    }
    assert "no gradient" not in _legend(HEADLINE.draw())


@pytest.mark.parametrize("number", [MOST_STROKES, MOST_STROKES + 1])
def test_many_terms_on_one_edge_are_one_stroke_with_their_number(number: int) -> None:
    text = _heads(number).draw()
    lines = next(lines for source, _, lines in _edges(text) if source == "image")
    texts = [each.text for each in ElementTree.fromstring(text).iter(f"{SVG}text")]
    if number <= MOST_STROKES:
        assert [line.attrib["stroke"] for line in lines] == [color_of(index) for index in range(number)]
        assert "7 terms or more" not in _legend(text)
    else:
        assert len(lines) == 1
        assert str(number) in texts
        assert "7 terms or more" in _legend(text)


def test_sixty_four_terms_look_different() -> None:
    assert len({term_stroke(index) for index in range(64)}) == 64
    assert len({term_stroke(index).dashes for index in range(8)}) == 8, "without their colors too"


def _legend(text: str) -> dict[str, Element]:
    """By what it says, the sample of every line."""
    lines = ((group, group.find(f"{SVG}path")) for group in _groups(text, "data-entry"))
    return {group.attrib["data-entry"]: line for group, line in lines if line is not None}


def test_the_legend_shows_every_term_as_it_is_drawn() -> None:
    text = MULTIMNIST.draw()
    legend = _legend(text)
    assert list(legend) == ["left", "right"]
    drawn = {target: lines[0] for _, target, lines in _edges(text) if target.startswith("loss")}
    for term, line in legend.items():
        for name in ("stroke", "stroke-width", "stroke-dasharray"):
            assert line.get(name) == drawn[f"loss {term}"].get(name)
    assert "Gradients flow against the arrows" in text
    entries = [group.attrib["data-entry"] for group in _groups(text, "data-entry")]
    assert entries == ["left", "right", "input", "layer", "output", "loss"]


def test_names_are_text_whatever_they_are() -> None:
    name = "</text><script>\"a\" & 'b'\x00\ud800"
    nodes = [PictureNode(name, "layer", (name, "<b>")), PictureNode("&amp;", "loss", ("&amp;",), name)]
    text = draw_graph(nodes, [PictureEdge(name, "&amp;", (name,))], terms=[name], title=name)
    root = ElementTree.fromstring(text.encode("utf-8"))
    shown = name.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    assert {each.tag for each in root.iter()} == {
        f"{SVG}{tag}" for tag in ("svg", "title", "desc", "rect", "g", "path", "text")
    }
    assert root.findtext(f"{SVG}title") == shown
    assert set(_rects(text)) == {shown, "&amp;"}
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert texts.count(shown) == 3, "the title, the box and the legend"
    assert {"<b>", "&amp;"} <= set(texts)


def test_it_can_be_heard() -> None:
    root = ElementTree.fromstring(HEADLINE.draw("headline, seed 0"))
    assert root.attrib["role"] == "img"
    assert root.findtext(f"{SVG}title") == "headline, seed 0"
    assert "gradient" in (root.findtext(f"{SVG}desc") or "")
    titles = [group.findtext(f"{SVG}title") for group in _groups(HEADLINE.draw(), "data-source")]
    assert "embedding \u2192 lstm: main, aux" in titles


def _true_width(text: str, size: float, *, is_bold: bool) -> float:
    font = FontProperties(family="DejaVu Sans", weight="bold" if is_bold else "normal", size=size)
    return TextToPath().get_text_width_height_descent(text, font, ismath=False)[0]


@pytest.mark.parametrize("is_bold", [False, True])
@pytest.mark.parametrize("character", [*string.printable[:95], *"éñÅüß·…", "\u00d7", "a\u0301"])
def test_no_character_is_wider_than_thought(character: str, is_bold: bool) -> None:
    true = _true_width(character * 20, 100, is_bold=is_bold)
    assert true <= text_width(character * 20, 100, is_bold=is_bold)


@pytest.mark.parametrize(
    "name", ["joined", "a" * 80, "block_12_" * 9 + "_conv", "W" * 40, "数" * 40, "i" * 300]
)
def test_a_text_fits_its_box_and_is_whole_in_its_tooltip(name: str) -> None:
    text = draw_graph([PictureNode("n", "layer", (name, "dense (64)"))], [], terms=[], title=name)
    (group,) = _groups(text, "data-node")
    assert group.findtext(f"{SVG}title") == f"{name}\ndense (64)"
    shown = group.findtext(f"{SVG}text") or ""
    rect = _rects(text)["n"]
    if name.isascii():
        assert _true_width(shown, 12.5, is_bold=True) < rect.right - rect.left - 20
    assert rect.right - rect.left <= 250
    assert shown == name if len(name) < 20 else "…" in shown


@given(st.text(max_size=60), st.floats(0, 300))
def test_a_shortened_text_keeps_both_its_ends(text: str, width: float) -> None:
    shown = fitted_text(text, width, 10.0)
    if shown == text:
        return
    start, _, end = shown.partition("…") if "…" not in text else (shown[: len(shown) // 2], "", "")
    assert text.startswith(start)
    assert text.endswith(end)
    assert shown == "…" or text_width(shown, 10.0) <= width


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (-0.04, "0"), (12.0, "12"), (1.25, "1.2"), (-3.14, "-3.1")]
)
def test_lengths_are_short(value: float, text: str) -> None:
    assert length_text(value) == text


def test_the_same_bytes_each_time() -> None:
    script = (
        "from mlx_runner.records.graph_picture import *\n"
        f"nodes = {[*HEADLINE.nodes]!r}\nedges = {[*HEADLINE.edges]!r}\n"
        f"text = draw_graph(nodes, edges, terms={HEADLINE.terms!r}, title='a graph')\n"
        "import sys; sys.stdout.write(text); assert not {'torch', 'numpy', 'matplotlib'} & set(sys.modules)"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        assert done.stdout == HEADLINE.draw()


@pytest.mark.parametrize("name", ["exits", "heads", "dense"])
def test_a_large_graph_takes_no_time(name: str) -> None:
    builders = {
        "exits": lambda: _early_exits(300, 3),
        "heads": lambda: _heads(100),
        "dense": lambda: _dense(40),
    }
    graph = builders[name]()
    start = time.process_time()
    text = graph.draw()
    assert time.process_time() - start < 5.0
    assert len(_rects(text)) == len(graph.nodes)


def _wrong(edges: Sequence[tuple[str, str]]) -> None:
    nodes = [PictureNode("a", "layer", ("a",)), PictureNode("b", "loss", ("b",))]
    draw_graph(nodes, [PictureEdge(*ends) for ends in edges], terms=[], title="wrong")


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(AssertionError, match="cycle"):
        _wrong([("a", "b"), ("b", "a")])
    with pytest.raises(AssertionError, match="leaves"):
        _wrong([("b", "a")])
    with pytest.raises(AssertionError, match="one key"):
        draw_graph([PictureNode("a", "layer", ("a",))] * 2, [], terms=[], title="twice")
