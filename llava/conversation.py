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
    """Text that the template puts between `before_answer` and the answer's first character."""

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

VILA_SYSTEM = (
    "You are a helpful language and vision assistant. You are able to understand the visual "
    "content that the user provides, and assist the user with a variety of tasks using natural "
    "language."
)


def _llama_3(name: str, end_of_turn: str, answering_role: str) -> Conversation:
    """VILA's template for Llama-3; the answer stands right after a header and an empty line."""
    system, user, answer = (
        f"<|start_header_id|>{role}<|end_header_id|>\n\n"
        for role in ("system", "user", answering_role)
    )
    return Conversation(
        name=name,
        before_image=f"<|begin_of_text|>{system}{VILA_SYSTEM}{end_of_turn}{user}",
        after_image="\n",
        before_answer=f"{end_of_turn}{answer}",
        answer_lead="",
    )


LLAMA_3 = _llama_3("llama_3", "<|end_of_text|>", answering_role="system")
"""Template of Llama-3-VILA1.5-8B: answers stand under a header that says `system`, as in training
(VILA's issue 71)."""

LLAMA_3_FIX = _llama_3("llama_3_fix", "<|eot_id|>", answering_role="assistant")
"""Template of the re-release, Llama-3-VILA1.5-8B-Fix."""

CONVERSATIONS = {known.name: known for known in (VICUNA_V1, LLAMA_3, LLAMA_3_FIX)}
