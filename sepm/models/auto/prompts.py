"""Prompts by a checkpoint's chat template, with the image's place and the query's known."""

from functools import lru_cache
from typing import Any, Literal

from llava.errors import CheckpointError, checkpoint_errors
from llava.prompt import IMAGE_TOKEN_ID, Prompt, spans_of_query

PROBE = "The query stands here."
"""Query of the prompt from which a template's fixed parts are read."""

BosSource = Literal["tokenizer", "template", "none"]


class ChatTemplate:
    """Rendered prompts, as text.

    Args:
        tokenizer: a `PreTrainedTokenizerBase`; its special tokens go into the template.
        template: Jinja.

    Raises:
        CheckpointError: it cannot be rendered, or its answers begin with a thought.
    """

    def __init__(self, tokenizer: Any, template: str) -> None:
        self._tokenizer, self._template = tokenizer, template
        self.probe = self.render(PROBE)
        if self.probe.count(PROBE) != 1:
            raise CheckpointError("chat template: it does not show the query once, as it is")
        if self.probe.rstrip().endswith("<think>"):
            raise CheckpointError(
                "chat template: answers begin with a thought, not with an option letter; take the "
                "release that does not think (-Instruct)"
            )
        self.answer_lead = self._answer_lead(self.probe)

    def render(self, query: str) -> str:
        """The prompt that asks a query about an image, up to where the answer begins."""
        return self._rendered(query, add_generation_prompt=True)

    def _rendered(self, query: str, answer: str | None = None, **more: Any) -> str:
        content = [{"type": "image"}, {"type": "text", "text": query}]
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if answer is not None:
            said = [{"type": "text", "text": answer}]
            messages.append({"role": "assistant", "content": said})
        with checkpoint_errors("chat template"):
            rendered = self._tokenizer.apply_chat_template(
                messages,
                chat_template=self._template,
                tokenize=False,
                enable_thinking=False,  # of no effect where a model does not think
                **more,
            )
        return str(rendered)

    def _answer_lead(self, prompt: str) -> str:
        """Text between a prompt and an answer: a blank after "ASSISTANT:", nothing after a line.

        Where the template writes answers in another way than it asks for them, a blank unless the
        prompt ends with one.
        """
        answered, letter = self._rendered(PROBE, answer="A"), "A"
        behind = answered.removeprefix(prompt)
        if behind != answered and behind.lstrip().startswith(letter):
            return behind[: behind.index(letter)]
        return "" if prompt[-1:].isspace() or prompt.endswith(">") else " "


class AutoPrompts:
    """Turns queries into prompts.

    Args:
        tokenizer: a `PreTrainedTokenizerFast`, so that it tells which characters a token covers.
        template: writes the prompts.
        expanded: the prompt that asks `PROBE`, with an image's placeholders as the processor writes
            them.
        image_token: text of a visual token's placeholder.
        adds_special_tokens: whether the tokenizer adds tokens of its own to a whole prompt.

    Raises:
        CheckpointError: the image does not stand before the query.
    """

    def __init__(
        self,
        tokenizer: Any,
        template: ChatTemplate,
        expanded: str,
        image_token: str,
        *,
        adds_special_tokens: bool,
    ) -> None:
        self.tokenizer, self.template, self._image_token = tokenizer, template, image_token
        self._image_id: int = tokenizer.convert_tokens_to_ids(image_token)
        head, found, rest = expanded.partition(image_token)
        self._tail = rest.rpartition(image_token)[2] if image_token in rest else rest
        if not found or PROBE not in self._tail:
            raise CheckpointError(
                "chat template: the image does not stand before the query, whose tokens then could "
                "not attend to it"
            )
        self.bos_source = self._bos_source(expanded, adds_special_tokens)
        ids = tokenizer(head + image_token, add_special_tokens=adds_special_tokens).input_ids
        self.before_image = tuple(ids[: ids.index(self._image_id)])
        self.tokenize = lru_cache(maxsize=4096)(self._tokenize)

    def _bos_source(self, expanded: str, adds: bool) -> BosSource:
        """Writer of the beginning-of-text token: the template, the processor with it, or none."""
        bos = self.tokenizer.bos_token
        if bos and bos in expanded:
            return "template"
        added = self.tokenizer("a").input_ids[:1] == [self.tokenizer.bos_token_id]
        return "tokenizer" if bos and adds and added else "none"

    def _tokenize(self, query: str) -> Prompt:
        """The prompt that asks a query.

        Raises:
            ValueError: the template changes the query, or the query holds an image's placeholder.
        """
        if self.template.render(query) != self.template.probe.replace(PROBE, query):
            raise ValueError(f"the chat template changes the query '{query:.60}…'")
        text = self._image_token + self._tail.replace(PROBE, query)
        lead = len(self._image_token) + self._tail.index(PROBE)
        chunk = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids: list[int] = chunk.input_ids
        if ids.count(self._image_id) != 1 or ids[0] != self._image_id:
            raise ValueError(f"the query holds the image's placeholder {self._image_token}")
        spans = spans_of_query(chunk.offset_mapping[1:], lead, len(query))
        return Prompt(
            (*self.before_image, IMAGE_TOKEN_ID, *ids[1:]),
            (*(None for _ in self.before_image), None, *spans),
        )

    @lru_cache(maxsize=256)  # noqa: B019 - one instance lives as long as its model
    def option_id(self, option_letter: str) -> int:
        """Vocabulary id of an option letter where an answer begins.

        Raises:
            ValueError: the letter is not one token there.
        """
        prompt = self._image_token + self._tail
        before = self._ids(prompt)
        after = self._ids(prompt + self.template.answer_lead + option_letter)
        if len(after) != len(before) + 1 or after[:-1] != before:
            raise ValueError(
                f"option letter '{option_letter}' is not one token where the answer begins: "
                f"{after[len(before) :]}"
            )
        return after[-1]

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)
