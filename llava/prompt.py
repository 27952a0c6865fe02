"""Prompts as token ids, with the image's place and the query's characters known by construction."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from transformers import PreTrainedTokenizerBase

from llava.conversation import Conversation

IMAGE_TOKEN_ID = -200
"""Stands for the image in `input_ids`, as in the original code; it is no id of any vocabulary."""


Spans = tuple[tuple[int, int] | None, ...]
"""For each token the characters [start, end) of the query that it covers; None: none."""


def spans_of_query(offsets: Iterable[tuple[int, int]], lead: int, length: int) -> Spans:
    """Spans of tokens, from their characters [start, end) in a text that holds the query.

    Args:
        offsets: of each token.
        lead: characters of the text before the query.
        length: characters of the query.
    """
    return tuple(
        (start - lead, end - lead) if start < lead + length and end > lead else None
        for start, end in offsets
    )


@dataclass(frozen=True)
class Prompt:
    """One rendered prompt: S ids, one of them `IMAGE_TOKEN_ID`."""

    input_ids: tuple[int, ...]
    query_spans: Spans
    """For each id the characters [start, end) of the query it covers; None for the template's."""

    @property
    def image_position(self) -> int:
        """Position of the image placeholder, hence of the first visual token once spliced."""
        return self.input_ids.index(IMAGE_TOKEN_ID)

    @property
    def before_image(self) -> tuple[int, ...]:
        """Ids before the image's placeholder."""
        return self.input_ids[: self.image_position]

    @property
    def after_image(self) -> tuple[int, ...]:
        """Ids after the image's placeholder."""
        return self.input_ids[self.image_position + 1 :]

    @property
    def num_text_tokens(self) -> int:
        """Number of its ids, the image left out."""
        return len(self.input_ids) - 1

    @property
    def num_tokens_after_image(self) -> int:
        """Number of ids after the image's placeholder."""
        return len(self.after_image)

    def positions_of(self, start: int, end: int, skip: int = 0) -> tuple[int, ...]:
        """Positions in `input_ids` of the tokens that cover characters [start, end) of the query.

        The first `skip` of them are left out.

        Raises:
            ValueError: no token is left.
        """
        positions = tuple(
            position
            for position, span in enumerate(self.query_spans)
            if span is not None and span[0] < end and span[1] > start
        )[skip:]
        if not positions:
            raise ValueError(
                f"no token of the prompt covers characters {start} to {end}"
                f"{f' but the first {skip}' if skip else ''}"
            )
        return positions

    def __len__(self) -> int:
        return len(self.input_ids)


class PromptTokenizer:
    """Turns queries into prompts of one conversation, chunk by chunk as the original code does."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, conversation: Conversation) -> None:
        self.tokenizer = tokenizer
        self.conversation = conversation
        before_image = tokenizer(conversation.before_image).input_ids
        self._require_kept(conversation.before_image, before_image)
        bos = tokenizer.bos_token_id
        # Tokenizer and template may both write BOS. The original code would feed it twice then,
        # which no model was trained with.
        twice = before_image[:2] == [bos, bos]
        self._before_image = tuple(before_image[1:] if twice else before_image)
        self.tokenize = lru_cache(maxsize=4096)(self._tokenize)

    def _tokenize(self, query: str) -> Prompt:
        """The query inside the conversation template, its text around the image tokenized apart.

        The original code tokenizes each chunk with special tokens and, where the first begins with
        BOS, drops the first id of every later one. Where it is the template that writes BOS and not
        the tokenizer, that first id is the line break after the image.

        Raises:
            ValueError: the tokenizer loses or changes part of the text.
        """
        conversation = self.conversation
        lead = len(conversation.after_image)
        text = conversation.after_image + query + conversation.before_answer
        chunk = self.tokenizer(text, return_offsets_mapping=True)
        self._require_kept(text, chunk.input_ids)
        skip = 1 if self._begins_with_bos else 0
        spans = spans_of_query(chunk.offset_mapping[skip:], lead, len(query))
        return Prompt(
            input_ids=(*self._before_image, IMAGE_TOKEN_ID, *chunk.input_ids[skip:]),
            query_spans=(*(None for _ in self._before_image), None, *spans),
        )

    def _require_kept(self, text: str, ids: list[int]) -> None:
        """Raise `ValueError` unless ids stand for the whole text and for nothing else.

        A tokenizer of another kind than its class may lose blanks or line breaks without a word.
        """
        own = ids[1:] if ids[:1] == [self.tokenizer.bos_token_id] else ids
        kept, whole = (
            str(self.tokenizer.decode(part, clean_up_tokenization_spaces=False))
            for part in (own, ids)  # the template may write BOS itself
        )
        if text not in (kept, whole):
            raise ValueError(
                f"the tokenizer does not give back what it was given: {text!r:.80}… came back as "
                f"{kept!r:.80}…; is it the tokenizer of this model, and is it whole?"
            )

    @property
    def _begins_with_bos(self) -> bool:
        return self._before_image[:1] == (self.tokenizer.bos_token_id,)

    @property
    def bos_source(self) -> Literal["tokenizer", "template", "none"]:
        """Writer of the BOS at a prompt's beginning; where both write one, the tokenizer."""
        if not self._begins_with_bos:
            return "none"
        added = self.tokenizer("").input_ids[:1] == [self.tokenizer.bos_token_id]
        return "tokenizer" if added else "template"

    @property
    def keeps_line_break(self) -> bool:
        """Whether a prompt holds the line break that the template puts after the image."""
        return self.bos_source != "template"

    @lru_cache(maxsize=256)  # noqa: B019 - one instance lives as long as its model
    def option_id(self, option_letter: str) -> int:
        """Vocabulary id of an option letter where an answer begins.

        Found by tokenizing a prompt followed by the answer as the template writes it ("▁A" after
        "ASSISTANT:", "A" after Llama-3's header).

        Raises:
            ValueError: the letter is not one token there.
        """
        prompt = self.conversation.after_image + "?" + self.conversation.before_answer
        before = self.tokenizer(prompt).input_ids
        after = self.tokenizer(prompt + self.conversation.answer_lead + option_letter).input_ids
        if len(after) != len(before) + 1 or after[:-1] != before:
            raise ValueError(
                f"option letter '{option_letter}' is {len(after) - len(before)} tokens in this "
                f"tokenizer ({after[len(before) :]}), expected 1"
            )
        return after[-1]
