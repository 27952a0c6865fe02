"""What is said and checked before a model is loaded."""

from collections.abc import Iterable, Iterator, Sequence

from sepm.datasets.check import find_bad_images
from sepm.datasets.question_file import Question
from sepm.errors import InputError
from sepm.evaluation.output import MethodRun
from sepm.evaluation.progress import tell
from sepm.evaluation.request import EvaluationRequest
from sepm.method.prompts import without_phrase
from sepm.methods import get_method


def note_text_use(questions: Sequence[Question], runs: Iterable[MethodRun]) -> None:
    """Say once what becomes of the question file's own coarse queries."""
    texts = {q.text for q in questions if q.text is not None}
    if texts:
        for note in dict.fromkeys(note for run in runs for note in _text_notes(texts, run)):
            tell(note)


def _text_notes(texts: Iterable[str], run: MethodRun) -> Iterator[str]:
    read, phrase = get_method(run.method).reads, run.config.phrase
    if "coarse_query" not in read:
        return
    if run.config.coarse_query == "taxonomy":
        yield (
            "the question file's text is not used: the coarse query is made from the taxonomy "
            "(--coarse-query file uses it)"
        )
    elif "phrase" in read and not all(without_phrase(text, phrase)[1] for text in texts):
        yield f"the question file's text lacks the phrase '{phrase}', which is put in front of it"


def check_images(request: EvaluationRequest, questions: Sequence[Question]) -> dict[str, str]:
    """Why images cannot be read, by question id; all are decoded whole.

    Raises:
        InputError: there are such images, and they are not to be skipped; all are listed.
    """
    bad = find_bad_images(questions, request.image_folder)
    if bad:
        listed = "\n".join(
            f"  {request.question_file}:{b.question.line}: {b.question.image}: {b.reason}"
            for b in bad
        )
        found = f"{len(bad)} of {len(questions)} images cannot be read"
        if request.on_bad_image == "stop":
            raise InputError(
                f"{found}:\n{listed}\nMend them, or record them as errors with --on-bad-image skip"
            )
        tell(f"{found} and are recorded as errors:\n{listed}")
    return {b.question.question_id: b.reason for b in bad}
