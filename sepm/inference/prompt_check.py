"""Every prompt that a run can come to, checked before anything is computed."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from llava import Llava
from sepm.datasets.question_file import Question
from sepm.errors import InputError
from sepm.inference.answering import MAX_NEW_TOKENS
from sepm.inference.window import Job
from sepm.method.dialogue import Reply, Sample
from sepm.method.taxonomy import Taxonomy

COARSE_REPLIES = {"A": {"A": 1.0, "B": 0.0}, "B": {"A": 0.0, "B": 1.0}, None: {"A": 0.5, "B": 0.5}}
"""Answer and probabilities of a coarse stage that lead into each branch."""


def check_prompts(
    model: Llava, jobs: Sequence[Job], taxonomy: Taxonomy, texts: Mapping[str | None, str]
) -> None:
    """See that the model can be asked all that may be asked of it.

    Args:
        model: the model.
        jobs: the methods.
        taxonomy: the task's classes.
        texts: as `texts_of` gives them; None as a query: the file has none.

    Raises:
        InputError: a prompt and its answer are too long for the model, or its tokenizer is not fit
            for the prompt.
    """
    checked = set[str]()
    for job in jobs:
        used = texts if job.config.coarse_query == "file" else dict.fromkeys([None], "the prompts")
        for text, place in used.items():
            sample = Sample("", model.num_visual_tokens, text)
            for query in possible_queries(job, sample, taxonomy):
                if query not in checked:
                    checked.add(query)
                    _check_prompt(model, query, place)


def texts_of(questions: Sequence[Question], file: Path) -> dict[str | None, str]:
    """A question file's own coarse queries, each with the first place where it stands."""
    return {q.text: f"{file}:{q.line}" for q in reversed(questions)}


def possible_queries(job: Job, sample: Sample, taxonomy: Taxonomy) -> Iterator[str]:
    """The text of each query that a method may put, whatever the model answers."""
    scores = (0.0,) * sample.num_visual_tokens
    for letter, probs in COARSE_REPLIES.items():
        dialogue = job.recipe(sample, taxonomy, job.config)
        yield next(dialogue).query.text
        try:
            yield dialogue.send(Reply(letter, letter or "", probs, scores)).query.text
        except StopIteration:
            return


def _check_prompt(model: Llava, query: str, place: str) -> None:
    try:
        prompt = model.tokenize(query)
    except ValueError as error:
        raise InputError(f"{place}: {error}") from error
    words, visual = len(prompt) - 1, model.num_visual_tokens
    if (length := words + visual + MAX_NEW_TOKENS) > model.max_positions:
        raise InputError(
            f"{place}: the prompt needs {length} positions ({visual} visual tokens, {words} of "
            f"text, {MAX_NEW_TOKENS} for the answer), the model has {model.max_positions} "
            f"(max_position_embeddings in its config.json); shorten '{query:.60}…'"
        )
