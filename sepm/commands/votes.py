"""`sepm votes`: runs beside what annotators voted for, and under each rule for labels."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sepm.analysis.vote_agreement import as_document, vote_agreement, votes_by_image
from sepm.commands.options import AsJson, Runs
from sepm.datasets.options import absent_question_file
from sepm.datasets.question_file import read_question_file
from sepm.errors import InputError
from sepm.terminal import show_result


def run(
    runs: Runs,
    /,
    *,
    question_file: Annotated[Path, Parameter(help="Question file with votes, of the same images.")],
    as_json: AsJson = False,
) -> int:
    """Compare option probabilities with votes, and accuracies under each label rule."""
    from sepm.report.runs import read_run_groups

    for absent in absent_question_file(question_file):
        raise InputError(absent)
    found = []
    for group in read_run_groups(runs):
        content = read_question_file(question_file, group.taxonomy, question_file.parent)
        votes = votes_by_image(content.questions)
        found += [vote_agreement(one, votes) for one in group.runs]
    show_result(found, as_document(found), as_json=as_json)
    return 0
