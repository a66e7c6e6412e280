"""No config, up to the size that a config may have, takes much time or memory, and each gets an answer."""

# ruff: noqa: E501  (a case, or a message, on each line)

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from .sandbox import MOST_MEGABYTES, MOST_SECONDS, Sandbox

MEBIBYTE = 1 << 20

CONFIG = """\
name: stranger
data: {{source: mnist{shape}, samples: 600, test_samples: 200}}
model:
  inputs: [image]
  layers:
{layers}
    scores: {{type: dense, units: 6, activation: sigmoid}}
  outputs: [scores{outputs}]
losses:
  labels: {{type: binary_crossentropy, output: scores, target: attributes{loss}}}
{losses}{more}training: {{epochs: 2{training}}}
"""

HIDDEN = "    hidden: {type: dense, units: 6}"


def config(**parts: str) -> str:
    """A config that is right but for the parts that are given."""
    usual = {"layers": HIDDEN, "shape": ", shape: [784]", "outputs": "", "loss": "", "losses": "", "more": ""}
    return CONFIG.format(**{**usual, "training": "", **parts})


def chain(number: int, layer: str) -> str:
    """Layers that read each other, `{last}` being the one above."""
    return "\n".join(f"    l{i}: {layer.format(last=f'l{i - 1}', i=i)}" for i in range(number))


def image_layers(layer: str) -> str:
    """A config whose layers read images."""
    return config(shape="", layers=f"{layer}\n    flat: {{type: flatten}}")


def long_name(source: random.Random) -> str:
    """A name that is like all others, so that it takes long to tell which is nearest."""
    return "".join(source.choice("abcdef_0123") for _ in range(59))


def names(number: int, form: str = "{}") -> str:
    """So many of them."""
    source = random.Random(0)
    return ", ".join(form.format(long_name(source)) for _ in range(number))


TEXTS: dict[str, Callable[[], str]] = {
    "brackets": lambda: "[" * MEBIBYTE,
    "braces": lambda: "{a: " * (MEBIBYTE // 4),
    "a deep block": lambda: "".join(" " * depth + "a:\n" for depth in range(1400)),
    "dashes": lambda: "- " * (MEBIBYTE // 2),
    "question marks": lambda: "? " * (MEBIBYTE // 2),
    "a long key": lambda: "? " + "a" * (MEBIBYTE - 10) + "\n: 1",
    "a million keys": lambda: "".join(f"{i:x}a: 1\n" for i in range(99_000))[:MEBIBYTE],
    "one key often": lambda: "a: 1\n" * (MEBIBYTE // 5),
    "a million values": lambda: "a: [" + "1," * (MEBIBYTE // 2 - 5) + "]",
    "an alias bomb": lambda: "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
    ),
    "anchors": lambda: "".join(f"a{i}: &a{i} 1\n" for i in range(65_000))[:MEBIBYTE],
    "aliases": lambda: "a: &a 1\nb: [" + "*a," * (MEBIBYTE // 3 - 30) + "]",
    "merge keys": lambda: "a: &a {x: 1}\n" + "".join(f"b{i}: {{<<: *a}}\n" for i in range(45_000)),
    "a huge text": lambda: config(more="ignore: [" + "x " * (MEBIBYTE // 2 - 400) + "]\n"),
    "a huge number": lambda: config(training=", batch_size: " + "9" * (MEBIBYTE - 600)),
    "a huge exponent": lambda: config(loss=", weight: 1e" + "9" * (MEBIBYTE - 600)),
    "numbers of 300 digits": lambda: "a: [" + ("9" * 300 + ",") * ((MEBIBYTE - 10) // 301) + "]",
    "escapes": lambda: 'a: "' + "\\x41" * (MEBIBYTE // 4 - 10) + '"',
    "an open quote": lambda: 'a: "' + "x\n " * (MEBIBYTE // 3 - 10),
    "comments": lambda: "#" * MEBIBYTE,
    "line feeds": lambda: "\n" * MEBIBYTE,
    "tags": lambda: "a: !!str x\n" * (MEBIBYTE // 11),
    "documents": lambda: "---\n" * (MEBIBYTE // 4),
    "tag directives": lambda: "%TAG !a! b\n" * (MEBIBYTE // 11),
    "folded text": lambda: "a: >\n" + " x\n\n" * (MEBIBYTE // 4 - 10),
}  # fmt: skip
"""Texts as long as a config may be, or nearly."""

NETWORKS: dict[str, Callable[[], str]] = {
    "10^15 units": lambda: config(layers="    h: {type: dense, units: 1000000000000000}"),
    "10^299 units": lambda: config(layers=f"    h: {{type: dense, units: {10**299}}}"),
    "units to the limit": lambda: config(layers="    h: {type: dense, units: 2147483647}"),
    "many units": lambda: config(layers="    h: {type: dense, units: 12000000}"),
    "as many layers as may be": lambda: config(layers=chain(799, "{{type: dense, units: 4}}")),
    "large layers": lambda: config(layers=chain(799, "{{type: dense, units: 4000}}")),
    "normalized layers": lambda: config(layers=chain(799, "{{type: batch_normalization}}")),
    "100,000 layers": lambda: config(layers=chain(100_000, "{{}}")[: MEBIBYTE - 1000]),
    "wrong layers": lambda: config(layers=chain(1900, "{{type: dense, units: x, foo: 1}}")),
    "a circle of layers": lambda: config(layers=chain(799, "{{type: flatten, of: {last}}}").replace("l-1", "l798")),
    "doubled layers": lambda: config(
        layers="    l0: {type: flatten}\n" + "\n".join(
            f"    l{i}: {{type: concatenate, of: [l{i - 1}, l{i - 1}]}}" for i in range(1, 60)
        )
    ),
    "shared layers": lambda: config(
        layers="    l0: {type: dense, units: 784}\n" + "\n".join(
            f"    l{i}: {{shares: l0, of: l{i - 1}}}" for i in range(1, 790)
        )
    ),
    "a wide merge": lambda: config(layers=f"    h: {{type: concatenate, of: [{', '.join(['image'] * 4900)}]}}"),
    "a million copies": lambda: config(
        layers="    h: {type: replicate, n: 1000000, layers: {a: {type: dense, units: 1}}}"
    ),
    "ten thousand copies": lambda: config(
        layers="    h: {type: replicate, n: 9999, layers: {a: {type: dense, units: 1}}}"
    ),
    "copies of copies": lambda: config(
        layers="    h: " + "{type: replicate, n: 2, layers: {a: " * 9 + "{type: dense, units: 1}" + "}}" * 9
    ),
    "far too many copies of copies": lambda: config(
        layers="    h: " + "{type: replicate, n: 10, layers: {a: " * 18 + "{type: dense, units: 1}" + "}}" * 18
    ),
    "a huge kernel": lambda: image_layers(
        "    h: {type: conv2d, filters: 4, kernel_size: 1000000000, padding: same}"
    ),
    "a large kernel": lambda: image_layers("    h: {type: conv2d, filters: 4, kernel_size: 900, padding: same}"),
    "many filters": lambda: image_layers("    h: {type: conv2d, filters: 100000, kernel_size: 9, padding: same}"),
    "a huge dilation": lambda: image_layers(
        "    h: {type: conv2d, filters: 4, kernel_size: 3, dilation_rate: 1000000000, padding: same}"
    ),
    "a huge pool": lambda: image_layers(
        "    h: {type: average_pooling2d, pool_size: 2147483647, strides: 1, padding: same}"
    ),
    "many convolutions": lambda: image_layers(
        chain(700, "{{type: conv2d, filters: 256, kernel_size: 7, padding: same}}")
    ),
    "a long reshape": lambda: config(layers=f"    h: {{type: reshape, target_shape: [784{', 1' * 9000}]}}"),
    "a huge embedding": lambda: HEADLINES.format(
        "    h: {type: embedding, input_dim: 2147483647, output_dim: 2147483647}\n    f: {type: flatten}"
    ),
    "a large embedding": lambda: HEADLINES.format(
        "    h: {type: embedding, output_dim: 90000}\n    f: {type: flatten}"
    ),
    "long sequences": lambda: HEADLINES.format(
        "    h: {type: embedding, output_dim: 4}\n"
        + chain(300, "{{type: lstm, units: 2, return_sequences: true}}")
        + "\n    f: {type: flatten}"
    ),
    "wide recurrent layers": lambda: HEADLINES.format(
        "    h: {type: embedding, output_dim: 4}\n    f: {type: lstm, units: 20000}"
    ),
}  # fmt: skip

HEADLINES = """\
name: stranger
data: {{source: headlines, samples: 600, length: 1000}}
model:
  inputs: [headline]
  layers:
{}
    scores: {{type: dense, units: 1, activation: sigmoid}}
  outputs: [scores]
losses: {{labels: {{type: binary_crossentropy, output: scores, target: shared}}}}
"""

SECTIONS: dict[str, Callable[[], str]] = {
    "10^18 epochs": lambda: config(training=", early_stopping: {patience: 1000000000000000000}"),
    "a batch of 10^18": lambda: config(training=", batch_size: 1000000000000000000"),
    "a batch to the limit": lambda: config(training=", batch_size: 9007199254740992"),
    "10^15 samples": lambda: config().replace("samples: 600", "samples: 1000000000000000"),
    "a huge seed": lambda: config(more=f"seed: {10**200}\n"),
    "a long shape": lambda: config(shape=f", shape: [784{', 1' * 9000}]"),
    "a shape of huge sizes": lambda: config(shape=f", shape: [784{', 2147483647' * 15}]"),
    "many losses": lambda: config(
        losses="".join(
            f"  m{i}: {{type: binary_crossentropy, output: scores, target: attributes}}\n" for i in range(127)
        )
    ),
    "far too many losses": lambda: config(
        losses="".join(
            f"  m{i}: {{type: binary_crossentropy, output: scores, target: attributes}}\n" for i in range(2400)
        )
    ),
    "many outputs with losses": lambda: config(
        layers=chain(600, "{{type: dense, units: 2}}") + "\n" + "\n".join(
            f"    s{i}: {{type: dense, of: l599, units: 6, activation: sigmoid}}" for i in range(127)
        ),
        outputs="".join(f", s{i}" for i in range(127)),
        losses="".join(
            f"  m{i}: {{type: binary_crossentropy, output: s{i}, target: attributes}}\n" for i in range(127)
        ),
        more="weighting: {type: gradnorm}\n",
    ),
    "unknown layers with long names": lambda: config(
        layers="\n".join(
            f"    {long_name(random.Random(i))}: {{type: flatten, of: [{names(15)}]}}" for i in range(790)
        )
    ),
    "unknown outputs": lambda: config(outputs=f", {names(4900)}"),
    "unknown keys": lambda: config(more="\n".join(names(9000, "{}: 1").split(", ")) + "\n"),
    "unknown labels": lambda: config(loss=f", class_weight: {{{names(4900, '{}: 1.5')}}}"),
    "unknown thresholds": lambda: config(more=f"thresholds: {{scores: {{{names(4900, '{}: 0.5')}}}}}\n"),
    "unknown monitors": lambda: config(training=f", early_stopping: {{monitor: {{{names(256, '{}: 1')}}}}}"),
    "unknown rules": lambda: config(more=f"ignore: [{', '.join(f'MLX1{i}' for i in range(19_000))}]\n"),
    "many settings": lambda: config(
        more="compare: {settings: {"
        + ", ".join(f"m{i}: {{losses.labels.weight: {i}}}" for i in range(1000))
        + "}}\n"
    ),
    "the largest learning rate": lambda: config(more="optimizer: {type: sgd, learning_rate: 1e308}\n"),
    "the smallest learning rate": lambda: config(more="optimizer: {type: sgd, learning_rate: 5e-324}\n"),
    "no number": lambda: config(more="optimizer: {type: sgd, learning_rate: .nan}\n"),
}  # fmt: skip


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize(
    "text",
    [pytest.param(make, id=name) for name, make in {**TEXTS, **NETWORKS, **SECTIONS}.items()],
)
def test_a_hostile_config_costs_little(sandbox: Sandbox, text: Callable[[], str]) -> None:
    content = text()
    assert len(content) <= MEBIBYTE + 4
    sandbox.write("c.yaml", content)
    outcome = sandbox.read("check", "c.yaml")
    assert outcome.code in (0, 2, 3, 6), outcome.err
    assert outcome.seconds < MOST_SECONDS, outcome.seconds
    assert outcome.megabytes < MOST_MEGABYTES, outcome.megabytes
    assert len(outcome.err) < 500_000


@pytest.mark.usefixtures("warm")
def test_at_most_a_hundred_problems_are_told(sandbox: Sandbox) -> None:
    sandbox.write("c.yaml", config(loss=f", class_weight: {{{names(150, '{}: 1.5')}}}"))
    outcome = sandbox.read("check", "c.yaml")
    assert outcome.code == 2
    lines = outcome.err.splitlines()
    assert len(lines) == 101
    assert lines[-1] == "mlx: and 50 more problems"


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("10^15 units", "model.layers.h.units: 1000000000000000 is too large: a whole number here is at most 2147483647"),
        ("10^299 units", "model.layers.h.units: a number of 300 digits is too large: a whole number here is at most 2147483647"),
        ("units to the limit", "model.layers.h: would have 784 x 2147483647 weights; at most 10,000,000,000 can be trained"),
        ("doubled layers", "model.layers.l17: gives (102760448): more than 100,000,000 values for one example"),
        ("a huge kernel", "model.layers.h.kernel_size: a window of 1000000000x1000000000 is far too large for 28x28"),
        ("a million copies", "model.layers: has more than 10000 layers with all copies, which cannot be built"),
    ],
)  # fmt: skip
def test_what_is_too_large_is_told_with_its_place(sandbox: Sandbox, part: str, said: str) -> None:
    sandbox.write("c.yaml", NETWORKS[part]())
    outcome = sandbox.read("check", "c.yaml")
    assert said in outcome.err
    assert outcome.code == (2 if said else 0)
