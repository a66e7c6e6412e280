"""Owns what a draft learns from: columns joined into inputs, and the layers that each goes through first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..specs.errors import quoted
from .draft_sizes import embedding_size
from .draft_sketch import Sketch
from .draft_yaml import Namer, Value, number

_MOST_ONE_HOT = 50
_MOST_TFIDF_ROWS = 10_000
_MOST_TOKENS, _ROUND = 200, 10
_FEW_NAMES = 8
_MOST_COUNTED = 4

# Tokens by how many rows there are to learn them from: for fewer rows than so many.
_VOCABULARIES = ((500, 1000), (2000, 2000), (_MOST_TFIDF_ROWS, 4000))
_SEQUENCE_VOCABULARY, _SEQUENCE_CHANNELS = 20_000, 32

_MARKS_EMPTY = "filled with the mean of the training rows, and marked by a 1 in a value of their own"

Layers = tuple[tuple[str, Mapping[str, Value]], ...]


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input: its columns, what the config says of it and why, and the layers of its own.

    `end` is what the rest of the network reads: the last of the layers, or the input itself.
    """

    name: str
    sketches: tuple[Sketch, ...]
    fields: Mapping[str, Value]
    comments: tuple[str, ...] = ()
    layers: Layers = ()
    layer_comments: tuple[str, ...] = ()

    @property
    def end(self) -> str:
        """The name of the last layer."""
        return self.layers[-1][0] if self.layers else self.name


def plan_inputs(sketches: Sequence[Sketch], *, columns: Sequence[str], namer: Namer) -> list[Input]:
    """Numbers together, all else by column, in the order of the table; `columns` are all of the table's."""
    numbers = [sketch for sketch in sketches if sketch.number and sketch.kind == "numeric"]
    numbers += [
        sketch for sketch in sketches if sketch.number and sketch.kind == "binary" and not sketch.yes_no
    ]
    heavy = [sketch for sketch in numbers if sketch.heavy]
    plain = [sketch for sketch in numbers if not sketch.heavy]
    flags = [sketch for sketch in sketches if sketch.number and sketch.yes_no]
    grouped = {sketch.column for sketch in (*numbers, *flags)}
    inputs = [
        *_numeric(plain, "numbers", {}, columns, namer),
        *_numeric(heavy, "amounts", {"log1p": True}, columns, namer),
        *_numeric(flags, "flags", {"scale": "none"}, columns, namer),
    ]
    explained = False
    for position, sketch in enumerate(sketches):
        if sketch.column not in grouped:
            name = namer.name(sketch.column, otherwise=f"input_{position + 1}")
            inputs.append(_single(sketch, name, namer, explained=explained))
            explained |= inputs[-1].fields["type"] == "categorical"
    places = {column: place for place, column in enumerate(columns)}
    return sorted(inputs, key=lambda each: min(places[sketch.column] for sketch in each.sketches))


def name_columns(chosen: Sequence[Sketch], columns: Sequence[str]) -> Mapping[str, Value]:
    """Columns by their names, or as all but some where that is shorter."""
    names = [sketch.column for sketch in chosen]
    others = [column for column in columns if column not in set(names)]
    if len(names) > _FEW_NAMES and others and 2 * len(others) <= len(names) and "*" not in columns:
        return {"columns": "*", "exclude": others}
    return {"columns": names[0] if len(names) == 1 else names}


def empty_comment(sketches: Sequence[Sketch], treatment: str) -> Iterator[str]:
    """How many cells are empty, of the columns that have any, and what becomes of them."""
    lacking = [sketch for sketch in sketches if sketch.num_empty]
    if not lacking:
        return
    shown = ", ".join(
        f"{sketch.num_empty:,} of {quoted(sketch.column)}" for sketch in lacking[:_MOST_COUNTED]
    )
    more = f" and some of {len(lacking) - _MOST_COUNTED} more columns" if len(lacking) > _MOST_COUNTED else ""
    yield f"Empty cells ({shown}{more}, of {lacking[0].num_rows:,} rows) are {treatment}."


def _numeric(
    sketches: Sequence[Sketch],
    name: str,
    options: Mapping[str, Value],
    columns: Sequence[str],
    namer: Namer,
) -> list[Input]:
    """One input of all these columns; none of none."""
    if not sketches:
        return []
    title = sketches[0].column if len(sketches) == 1 else name
    fields = {"type": "numeric", **name_columns(sketches, columns), **options}
    return [
        Input(
            name=namer.name(title, otherwise=name),
            sketches=tuple(sketches),
            fields=fields,
            comments=(*_numeric_comments(sketches, options), *empty_comment(sketches, _MARKS_EMPTY)),
        )
    ]


def _numeric_comments(sketches: Sequence[Sketch], options: Mapping[str, Value]) -> Iterator[str]:
    several = f"{len(sketches)} columns" if len(sketches) > 1 else "One column"
    if "scale" in options:
        yield f"{several} of 0 and 1, left as they are."
    elif "log1p" in options:
        largest = max(sketches, key=lambda sketch: sketch.high)
        yield (
            f"{several} of amounts with a heavy tail (the largest of {quoted(largest.column)} is "
            f"{number(largest.high)}): log1p brings them closer together before they are standardized."
        )
    else:
        yield f"{several} of numbers, standardized: mean 0 and deviation 1 over the training rows."


def _single(sketch: Sketch, name: str, namer: Namer, *, explained: bool) -> Input:
    match sketch.kind:
        case "datetime":
            return _datetime(sketch, name)
        case "text":
            return _text(sketch, name, namer)
        case "labels":
            comment = (
                f"{len(sketch.counts)} labels, several in a cell: an input reads them as words, with a value "
                "for each."
            )
            fields = {"type": "text", "column": sketch.column, "encoding": "counts"}
            return _of(sketch, name, fields, comment)
        case "image":
            return _image(sketch, name, namer)
        case "binary" if sketch.yes_no:
            comment = "Yes or no: 1 or 0." + (" An empty cell is 0.5." if sketch.num_empty else "")
            return _of(sketch, name, {"type": "binary", "column": sketch.column}, comment)
        case _:
            return _categorical(sketch, name, namer, explained=explained)


def _categorical(sketch: Sketch, name: str, namer: Namer, *, explained: bool) -> Input:
    count = f"{sketch.num_distinct:,} categories"
    own = "" if explained else " `unknown: own` gives empty cells, and values met later, one of their own."
    empty = tuple(empty_comment([sketch], "of the category of unknown values"))
    fields: dict[str, Value] = {"type": "categorical", "column": sketch.column, "unknown": "own"}
    if sketch.num_distinct <= _MOST_ONE_HOT:
        comment = f"{count}, a value of 0 or 1 for each (one-hot).{own}"
        return _of(sketch, name, fields, comment, *empty)
    fields["encoding"] = "index"
    size = embedding_size(sketch.num_distinct)
    vector = namer.name(f"{name}_vector", otherwise="vector")
    flat = namer.name(f"{name}_flat", otherwise="flat")
    return Input(
        name=name,
        sketches=(sketch,),
        fields=fields,
        comments=(
            f"{count}, too many for a value each: an embedding learns a vector of {size}.{own}",
            *empty,
        ),
        layers=(
            (vector, {"type": "embedding", "of": name, "output_dim": size}),
            (flat, {"type": "flatten"}),
        ),
    )


def _datetime(sketch: Sketch, name: str) -> Input:
    fields: dict[str, Value] = {"type": "datetime", "column": sketch.column}
    if sketch.date_format is not None:
        fields["format"] = sketch.date_format
    if not sketch.timed:
        fields["parts"] = ["weekday", "month"]
    what = "hour, weekday and month" if sketch.timed else "weekday and month"
    comment = f"Points in time: {what} as places on a circle, and the time elapsed."
    return _of(sketch, name, fields, comment, *empty_comment([sketch], "filled with the means"))


def _text(sketch: Sketch, name: str, namer: Namer) -> Input:
    fields: dict[str, Value] = {"type": "text", "column": sketch.column}
    entities = (
        " It holds HTML such as &amp;, which `html: true` turns into characters." if sketch.html else ""
    )
    html = {"html": True} if sketch.html else {}
    if sketch.num_rows < _MOST_TFIDF_ROWS:
        size = next(size for most, size in _VOCABULARIES if sketch.num_rows < most)
        fields |= {"encoding": "tfidf", **html, "vocabulary_size": size}
        comment = f"Text as tf-idf: a value per word, higher the rarer the word is elsewhere.{entities}"
        words = namer.name(f"{name}_words", otherwise="words")
        dense = {"type": "dense", "of": name, "units": 64, "activation": "relu"}
        return Input(
            name=name, sketches=(sketch,), fields=fields, comments=(comment,), layers=((words, dense),)
        )
    length = min(_MOST_TOKENS, -(-max(sketch.words, 1) // _ROUND) * _ROUND)
    fields |= {**html, "vocabulary_size": _SEQUENCE_VOCABULARY, "length": length, "padding": "after"}
    comment = f"Text as a sequence of {length} words, shorter ones filled up at their end.{entities}"
    vectors = namer.name(f"{name}_vectors", otherwise="vectors")
    mean = namer.name(f"{name}_mean", otherwise="mean")
    embedding = {"type": "embedding", "of": name, "output_dim": _SEQUENCE_CHANNELS, "mask_zero": True}
    return Input(
        name=name,
        sketches=(sketch,),
        fields=fields,
        comments=(comment,),
        layers=((vectors, embedding), (mean, {"type": "global_average_pooling1d"})),
        layer_comments=(
            "A vector per word, and their mean. Where the order of the words counts, {type: lstm, units: 32} "
            "in the place of the mean reads them one after the other.",
        ),
    )


def _image(sketch: Sketch, name: str, namer: Namer) -> Input:
    size = list(sketch.size)
    fields: dict[str, Value] = {"type": "image", "column": sketch.column, "size": size}
    if sketch.root != ".":
        fields["root"] = sketch.root
    if sketch.channels == 1:
        fields["channels"] = 1
    names = [namer.name(f"{name}_{part}", otherwise=part) for part in ("edges", "small", "shapes", "mean")]
    options = {"kernel_size": 3, "padding": "same", "activation": "relu"}
    layers: Layers = (
        (names[0], {"type": "conv2d", "of": name, "filters": 16, **options}),
        (names[1], {"type": "max_pooling2d"}),
        (names[2], {"type": "conv2d", "filters": 32, **options}),
        (names[3], {"type": "global_average_pooling2d"}),
    )
    comment = f"Image files, resized to {size[0]} x {size[1]} (height, width)."
    return Input(name=name, sketches=(sketch,), fields=fields, comments=(comment,), layers=layers)


def _of(sketch: Sketch, name: str, fields: Mapping[str, Value], *comments: str) -> Input:
    return Input(name=name, sketches=(sketch,), fields=fields, comments=comments)
