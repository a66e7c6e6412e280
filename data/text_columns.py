"""Owns the type `text`: a column of text as token numbers, as counts of tokens, or as tf-idf.

Legend: N rows, T the length of a sequence, V tokens, F = V - 2 of them without padding and unknown.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Annotated, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from ..specs.base import as_tuple
from ..specs.columns import Text
from ..specs.errors import DataError, Problem, quoted
from . import table
from .available_memory import check_memory
from .cells import CellReader, empty_notes
from .encoder import Encoded
from .fitted import FittedInput, input_path
from .frame import Frame
from .tokens import NUM_SPECIAL, TokenizerDocument, learn_tokens

Rarity = Annotated[float, Field(ge=1.0, le=1000.0)]
"""The factor of a token in tf-idf: 1 where every row has it, 43 where one of 2^62 rows has it."""


class TextEncoder(FittedInput):
    """`sequence`: (N, T) int64 below V. `counts` and `tfidf`: (N, F) float32. Dense: 8 N T or 4 N F bytes.

    `idf` (F) are the factors of tf-idf, ln((1 + N) / (1 + rows with the token)) + 1 over the training rows;
    each row then has the Euclidean norm 1, as in scikit-learn's TfidfVectorizer.
    """

    type: Literal["text"] = "text"
    column: str
    encoding: Literal["sequence", "counts", "tfidf"]
    html: bool
    length: Annotated[int, Field(gt=0)]
    padding: Literal["before", "after"]
    tokenizer: TokenizerDocument
    idf: Annotated[tuple[Rarity, ...], BeforeValidator(as_tuple)] = ()

    @model_validator(mode="after")
    def _has_a_factor_each(self) -> Self:
        needed = self.tokenizer.size - NUM_SPECIAL if self.encoding == "tfidf" else 0
        if len(self.idf) != needed:
            raise ValueError(f"{len(self.idf)} factors of tf-idf for {needed} tokens")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that is read."""
        return (self.column,)

    @property
    def field(self) -> table.Field:
        """Tokens, or a number per token."""
        size = self.tokenizer.size
        if self.encoding == "sequence":
            return table.Field(shape=(self.length,), kind="tokens", size=size)
        return table.Field(shape=(size - NUM_SPECIAL,), kind="numbers")

    def encode(self, frame: Frame) -> Encoded:
        """The rows of a frame. Raises DataError, and MachineError where they do not fit into memory."""
        reader = CellReader(frame, self.path)
        texts = _texts(reader, self.column, unescape=self.html)
        reader.finish()
        if self.encoding == "sequence":
            return Encoded(torch.from_numpy(self._sequences(texts)))
        width = self.tokenizer.size - NUM_SPECIAL
        what = f"encoding: {self.encoding} of {len(texts)} rows and {width} tokens"
        fix = "lower vocabulary_size, or use encoding: sequence"
        check_memory(4 * len(texts) * width, what, path=self.path, fix=fix)
        values: NDArray[np.float32] = np.zeros((len(texts), width), dtype=np.float32)
        idf = np.array(self.idf, dtype=np.float64)
        for start, rows, tokens, counts in _counts(self.tokenizer, texts):
            weights = counts.astype(np.float64)
            if self.encoding == "tfidf":
                weights *= idf[tokens]
                weights /= np.sqrt(np.bincount(rows, weights * weights)[rows])
            values[start + rows, tokens] = weights
        return Encoded(torch.from_numpy(values))

    def _sequences(self, texts: list[str]) -> NDArray[np.int64]:
        """Token numbers (N, T): what is too long loses its end, what is too short is filled up with 0."""
        what = f"encoding: sequence of {len(texts)} rows and {self.length} tokens"
        check_memory(8 * len(texts) * self.length, what, path=self.path, fix="lower length")
        values: NDArray[np.int64] = np.zeros((len(texts), self.length), dtype=np.int64)
        positions = np.arange(self.length)
        start = 0
        for lengths, tokens in self.tokenizer.chunks(texts):
            kept = np.minimum(lengths, self.length)[:, None]
            first = self.length - kept if self.padding == "before" else np.zeros_like(kept)
            filled = (positions >= first) & (positions < first + kept)
            # Rows are filled one after another, so the tokens need only be put in a row.
            values[start : start + len(lengths)][filled] = tokens[_place_in_text(lengths) < self.length]
            start += len(lengths)
        return values


def fit_text(spec: Text, frame: Frame, *, name: str) -> TextEncoder:
    """Learn the vocabulary, and for tf-idf how rare each token is, from training rows. Raises DataError."""
    reader = CellReader(frame, input_path(name))
    num_empty = reader.texts(spec.column).null_count()
    texts = _texts(reader, spec.column, unescape=spec.html)
    reader.finish()
    tokenizer = learn_tokens(
        texts, kind=spec.tokenizer, lowercase=spec.lowercase, vocabulary_size=spec.vocabulary_size
    )
    if tokenizer is None:
        raise DataError(Problem(f"column {quoted(spec.column)}: no training row holds a word.", reader.path))
    return TextEncoder(
        name=name,
        column=spec.column,
        encoding=spec.encoding,
        html=spec.html,
        length=spec.length,
        padding=spec.padding,
        tokenizer=tokenizer,
        idf=_rarities(tokenizer, texts) if spec.encoding == "tfidf" else (),
        notes=empty_notes(spec.column, num_empty, len(texts), "read as empty texts"),
    )


def _texts(reader: CellReader, column: str, *, unescape: bool) -> list[str]:
    texts: list[str] = reader.texts(column).fill_null("").to_list()
    return [html.unescape(text) if "&" in text else text for text in texts] if unescape else texts


def _counts(
    tokenizer: TokenizerDocument, texts: list[str]
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """By the thousand: the first row, then by pair of row (from it on) and token their numbers and count.

    Tokens are numbered without padding and unknown.
    """
    width, start = tokenizer.size - NUM_SPECIAL, 0
    for lengths, tokens in tokenizer.chunks(texts):
        rows = np.repeat(np.arange(len(lengths)), lengths)
        known = tokens >= NUM_SPECIAL
        pairs, counts = np.unique(rows[known] * width + tokens[known] - NUM_SPECIAL, return_counts=True)
        yield start, pairs // width, pairs % width, counts
        start += len(lengths)


def _rarities(tokenizer: TokenizerDocument, texts: list[str]) -> tuple[float, ...]:
    """The factors of tf-idf (F), smooth: as if one more row held every token."""
    num_rows: NDArray[np.int64] = np.zeros(tokenizer.size - NUM_SPECIAL, dtype=np.int64)
    for _, _, tokens, _ in _counts(tokenizer, texts):
        num_rows += np.bincount(tokens, minlength=len(num_rows))
    return tuple((np.log((1 + len(texts)) / (1 + num_rows)) + 1.0).tolist())


def _place_in_text(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of tokens in a row, the place of each in its own text, counted from 0."""
    return np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
