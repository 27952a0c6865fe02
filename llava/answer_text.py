"""Answers as text, from their token ids."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase


def answer_text(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """An answer's text without special tokens, its spaces as they are."""
    decode = tokenizer.decode
    return str(decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def second_token_text(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str | None:
    """Text that the second of an answer's first two ids adds; None: the answer has one."""
    if len(ids) < 2:
        return None
    first, both = (answer_text(tokenizer, ids[:count]) for count in (1, 2))
    return both.removeprefix(first)
