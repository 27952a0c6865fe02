"""Notes and checks before a model is loaded."""

from collections.abc import Sequence

from sepm.datasets.check import ImageHashes, image_hashes
from sepm.datasets.files import shortened
from sepm.datasets.image_files import UnreadableImageError
from sepm.datasets.options import DataOptions
from sepm.datasets.question_file import Question
from sepm.errors import InputError
from sepm.evaluation.plan import PlannedRun
from sepm.evaluation.run_folder import AFRESH, ways_out
from sepm.method.prompts import without_phrase
from sepm.progress import tell
from sepm.registry import MethodRun


def note_text_use(questions: Sequence[Question], runs: Sequence[MethodRun]) -> None:
    """Say once what becomes of the question file's own coarse queries."""
    texts = {q.text for q in questions if q.text is not None}
    notes: set[str] = set()
    staged = [run.config for run in runs if run.reads("coarse_query")]
    if not texts and any(config.coarse_query == "file" for config in staged):
        notes.add("the question file has no text: the coarse query is made from the taxonomy")
    for run in (run for run in runs if texts and run.reads("coarse_query")):
        phrase = run.config.phrase
        if run.config.coarse_query == "taxonomy":
            notes.add(
                "the question file's text is not used: the coarse query is made from the taxonomy "
                "(--coarse-query file uses it)"
            )
        elif run.reads("fine_phrase") and not all(without_phrase(t, phrase)[1] for t in texts):
            notes.add(
                f"the question file's text lacks the phrase '{phrase}', which is put in front of it"
            )
    for note in sorted(notes):
        tell(note)


def note_no_scores(runs: Sequence[MethodRun]) -> None:
    """Say that there will be none to save, where no method scores visual tokens."""
    if not any(run.has_scores for run in runs):
        methods = ", ".join(run.method for run in runs)
        tell(f"--save-scores makes no difference to {methods}: no visual token is scored")


def check_images(
    data: DataOptions, questions: Sequence[Question], planned: Sequence[PlannedRun] = ()
) -> ImageHashes:
    """SHA-256 of each image, or why it cannot be read, by its path in the folder.

    Args:
        data: where the images are, and whether bad ones are skipped.
        questions: those to be computed; their images are decoded whole.
        planned: their finished rows must have been made from the images that are there now.

    Raises:
        InputError: images cannot be read and are not to be skipped, or rows were made from others;
            the images are listed.
    """
    kept = [q for plan in planned for q in plan.covered if q.question_id in plan.finished]
    decoded = {question.image for question in questions}
    images = [question.image for question in (*questions, *kept)]
    hashes = image_hashes(images, decoded, data.image_folder)
    _tell_unreadable(data, questions, hashes)
    for plan in planned:
        _require_same_images(plan, hashes)
    return hashes


def _tell_unreadable(data: DataOptions, questions: Sequence[Question], hashes: ImageHashes) -> None:
    bad = [q for q in questions if isinstance(hashes[q.image], UnreadableImageError)]
    if not bad:
        return
    lines = [f"  {data.question_file}:{q.line}: {q.image}: {hashes[q.image]}" for q in bad]
    listed = "\n".join(lines)
    found = f"{len(bad)} of {len(questions)} images cannot be read"
    if data.on_bad_image == "stop":
        advice = "Mend them, or record them as errors with --on-bad-image skip"
        if len(bad) == len(questions):
            advice = f"Is --image-folder {data.image_folder} the right one? {advice}"
        raise InputError(f"{found}:\n{listed}\n{advice}")
    tell(f"{found} and are recorded as errors:\n{listed}")


def _require_same_images(plan: PlannedRun, hashes: ImageHashes) -> None:
    kept = [q for q in plan.covered if q.question_id in plan.finished]
    stored = {q: plan.finished[q.question_id].get("image_sha256") for q in kept}
    if unknown := [q.image for q, there in stored.items() if there is None]:
        raise InputError(
            f"{plan.folder} holds rows made by a version that kept no image hash ({len(unknown)} "
            f"of {len(kept)}, the first of {unknown[0]}): their images may have been others. "
            f"{AFRESH}"
        )
    changed = [q.image for q, there in stored.items() if hashes[q.image] != there]
    if changed:
        listed = [f"  {image}: {_found(hashes[image])}" for image in dict.fromkeys(changed)]
        raise InputError(
            f"{plan.folder} holds rows made from other images ({len(changed)} of {len(kept)}):\n"
            f"{shortened(listed)}\n{ways_out(['--image-folder'])}"
        )


def _found(image: str | UnreadableImageError) -> str:
    return str(image) if isinstance(image, UnreadableImageError) else "another file now"
