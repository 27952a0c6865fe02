"""Conversation templates: the words around the image and the query."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Conversation:
    """One user turn with one image, up to where the answer begins.

    The rendered prompt is `before_image <image> after_image QUERY before_answer`.
    """

    name: str
    before_image: str
    after_image: str
    before_answer: str
    answer_lead: str
    """What the template puts between `before_answer` and the answer's first character."""

    def render(self, query: str) -> str:
        """The whole prompt as text, the image written `<image>`."""
        return f"{self.before_image}<image>{self.after_image}{query}{self.before_answer}"


VICUNA_V1 = Conversation(
    name="vicuna_v1",
    before_image=(
        "A chat between a curious user and an artificial intelligence assistant. The assistant "
        "gives helpful, detailed, and polite answers to the user's questions. USER: "
    ),
    after_image="\n",
    before_answer=" ASSISTANT:",
    answer_lead=" ",
)

CONVERSATIONS = {conversation.name: conversation for conversation in (VICUNA_V1,)}
