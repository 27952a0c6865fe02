"""Every prompt that a run can come to, checked before anything is computed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sepm.datasets.question_file import Question
from sepm.errors import InputError
from sepm.inference.answering import MAX_NEW_TOKENS
from sepm.inference.unbatched import run_dialogue
from sepm.method.dialogue import Ask, Reply, Sample
from sepm.method.taxonomy import Taxonomy
from sepm.models.protocol import VisionLanguageModel
from sepm.registry import MethodRun

COARSE_REPLIES = {"A": {"A": 1.0, "B": 0.0}, "B": {"A": 0.0, "B": 1.0}, None: {"A": 0.5, "B": 0.5}}
"""Answer and probabilities of a coarse stage that lead into each branch."""


def check_prompts(
    model: VisionLanguageModel,
    runs: Sequence[MethodRun],
    taxonomy: Taxonomy,
    texts: Mapping[str | None, str],
) -> None:
    """See that the model can be asked, and can answer, all that may be asked of it.

    Args:
        texts: as `texts_of` gives them; None as a query: the file has none.

    Raises:
        InputError: an option letter is no single token, a prompt and its answer are too long for
            the model, or its tokenizer is not fit for the prompt.
    """
    check_option_letters(model, taxonomy)
    checked = set[str]()
    for run in runs:
        used = texts if run.config.coarse_query == "file" else dict.fromkeys([None], "the prompts")
        for text, place in used.items():
            sample = Sample("", 1, text)  # no query depends on N
            for query in possible_queries(run, sample, taxonomy):
                if query not in checked:
                    checked.add(query)
                    _check_prompt(model, query, place)


def check_option_letters(model: VisionLanguageModel, taxonomy: Taxonomy) -> None:
    """See that the model can answer with every option letter.

    Raises:
        InputError: a letter is not one token of the checkpoint's tokenizer.
    """
    for letter in taxonomy.option_letters:
        try:
            model.option_id(letter)
        except ValueError as error:
            raise InputError(
                f"{error}; task {taxonomy.name} needs a tokenizer in which "
                f"{' '.join(taxonomy.option_letters)} are single tokens"
            ) from error


def texts_of(questions: Sequence[Question], file: Path) -> dict[str | None, str]:
    """A question file's own coarse queries, each with the first place where it stands."""
    return {q.text: f"{file}:{q.line}" for q in reversed(questions)}


def possible_queries(run: MethodRun, sample: Sample, taxonomy: Taxonomy) -> list[str]:
    """The text of each query that a method may put, whatever the model answers; each once."""
    queries: dict[str, None] = {}
    scores = (0.0,) * sample.num_visual_tokens
    for letter, probs in COARSE_REPLIES.items():

        def answer(ask: Ask, letter: str | None = letter, probs: dict[str, float] = probs) -> Reply:
            queries[ask.query.text] = None
            shown = dict.fromkeys(ask.options, 0.0) | probs
            return Reply(letter, letter or "", shown, scores)

        run_dialogue(run.unchecked_dialogue(sample, taxonomy), answer)
    return list(queries)


def _check_prompt(model: VisionLanguageModel, query: str, place: str) -> None:
    try:
        prompt = model.tokenize(query)
    except ValueError as error:
        raise InputError(f"{place}: {error}") from error
    words, visual = prompt.num_text_tokens, model.max_visual_tokens or 0
    if (length := words + visual + MAX_NEW_TOKENS) > model.max_positions:
        raise InputError(
            f"{place}: the prompt needs {length} positions ({visual} visual tokens, {words} of "
            f"text, {MAX_NEW_TOKENS} for the answer), the model has {model.max_positions} "
            f"(max_position_embeddings in its config.json); shorten '{query:.60}…'"
        )
