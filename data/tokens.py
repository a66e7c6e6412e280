"""Owns the tokenizers of text columns: learned from training rows, kept as JSON, built again from it.

A tokenizer is kept in the format of the library `tokenizers`, which can read it on its own. Here only the
vocabulary, the merges and the lower case are taken from it and the rest is built anew, so that a document
can ask for nothing else. Padding and unknown tokens are no texts: white space and punctuation never stand
beside letters in a token, so no text is ever read as one of them.
Legend: V tokens of a vocabulary.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ..specs.base import as_tuple

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PADDING, UNKNOWN = "[PAD]", "[UNK]"
NUM_SPECIAL = 2

# Texts given to the library at once. Its results are large beside the numbers of the tokens: with eight times
# as many texts it takes half as long again, for the memory.
_CHUNK = 1024


class _Part(BaseModel):
    """A part of a tokenizer's JSON. What the library writes beside it is kept, and has no effect here."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)


class Lowercase(_Part):
    """Text becomes lower case."""

    type: Literal["Lowercase"] = "Lowercase"


class Whitespace(_Part):
    """Runs of letters, digits and `_`, and runs of all else but white space."""

    type: Literal["Whitespace"] = "Whitespace"


class Words(_Part):
    """Whole words by number."""

    type: Literal["WordLevel"] = "WordLevel"
    vocab: dict[str, int]


Merge = Annotated[tuple[str, str], BeforeValidator(as_tuple)]


class Pieces(_Part):
    """Pieces of words by number, and the pairs that are joined, first what was learned first."""

    type: Literal["BPE"] = "BPE"
    vocab: dict[str, int]
    merges: Annotated[tuple[Merge, ...], BeforeValidator(as_tuple)]

    @model_validator(mode="after")
    def _of_the_vocabulary(self) -> Self:
        if not all(part in self.vocab for left, right in self.merges for part in (left, right, left + right)):
            raise ValueError("a merge is not of the vocabulary")
        return self


class TokenizerDocument(_Part):
    """A tokenizer that can be kept: 0 is padding, 1 an unknown token, then V - 2 tokens."""

    normalizer: Lowercase | None
    pre_tokenizer: Whitespace
    model: Annotated[Words | Pieces, Field(discriminator="type")]

    @model_validator(mode="after")
    def _numbers_all(self) -> Self:
        vocabulary = self.model.vocab
        if sorted(vocabulary.values()) != list(range(len(vocabulary))):
            raise ValueError("the tokens are not numbered from 0 without a gap")
        if vocabulary.get(PADDING) != 0 or vocabulary.get(UNKNOWN) != 1:
            raise ValueError(f"{PADDING} is not 0 or {UNKNOWN} not 1")
        if len(vocabulary) == NUM_SPECIAL:
            raise ValueError("there is no token")
        return self

    @property
    def size(self) -> int:
        """How many tokens there are, padding and unknown included."""
        return len(self.model.vocab)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer, models

        vocabulary = self.model.vocab
        if isinstance(self.model, Words):
            return _with_steps(Tokenizer(models.WordLevel(vocabulary, UNKNOWN)), self.normalizer is not None)
        model = models.BPE(vocabulary, self.model.merges, unk_token=UNKNOWN)
        return _with_steps(Tokenizer(model), self.normalizer is not None)

    def chunks(self, texts: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Texts by the thousand: how many tokens each has (n), and the tokens of all in a row."""
        tokenizer = self._tokenizer
        for start in range(0, len(texts), _CHUNK):
            with _one_thread():
                found = tokenizer.encode_batch_fast(texts[start : start + _CHUNK], add_special_tokens=False)
            lists = [each.ids for each in found]
            lengths = np.fromiter((len(each) for each in lists), dtype=np.int64, count=len(lists))
            flat = (number for each in lists for number in each)
            yield lengths, np.fromiter(flat, dtype=np.int64, count=int(lengths.sum()))


def learn_tokens(
    texts: Sequence[str], *, kind: Literal["words", "bpe"], lowercase: bool, vocabulary_size: int
) -> TokenizerDocument | None:
    """A tokenizer with at most `vocabulary_size` tokens, the same whatever the process; None without a token.

    Words are numbered by how frequent they are, those of one frequency by text; pieces of words in the
    order in which they were learned, after the single characters.
    """
    from tokenizers import Tokenizer, models, trainers

    specials = [PADDING, UNKNOWN]
    if kind == "words":
        tokenizer = Tokenizer(models.WordLevel({}, UNKNOWN))
        trainer = trainers.WordLevelTrainer(
            vocab_size=vocabulary_size, show_progress=False, special_tokens=specials
        )
    else:
        tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
        # The library cuts the characters in an order that differs between processes, so they are cut here.
        alphabet = _alphabet(texts, lowercase=lowercase, most=vocabulary_size - NUM_SPECIAL)
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary_size,
            show_progress=False,
            special_tokens=specials,
            initial_alphabet=alphabet,
            limit_alphabet=len(alphabet),
        )
    with _one_thread():
        _with_steps(tokenizer, lowercase).train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size(with_added_tokens=False) == NUM_SPECIAL:
        return None
    return TokenizerDocument.model_validate_json(tokenizer.to_str())


def _with_steps(tokenizer: Tokenizer, lowercase: bool) -> Tokenizer:
    from tokenizers import normalizers, pre_tokenizers

    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def _alphabet(texts: Sequence[str], *, lowercase: bool, most: int) -> list[str]:
    """The most frequent characters, those of one frequency by their number."""
    from tokenizers import normalizers

    lower = normalizers.Lowercase()
    counts: Counter[str] = Counter()
    for start in range(0, len(texts), _CHUNK):
        joined = "\n".join(texts[start : start + _CHUNK])
        counts.update(lower.normalize_str(joined) if lowercase else joined)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return sorted([character for character, _ in ranked if not character.isspace()][:most])


@contextmanager
def _one_thread() -> Generator[None]:
    """Keep the library from starting threads, after which it warns of every forked process.

    What the environment says goes first; results are the same either way.
    """
    name = "TOKENIZERS_PARALLELISM"
    if name in os.environ:
        yield
        return
    os.environ[name] = "false"
    try:
        yield
    finally:
        del os.environ[name]
