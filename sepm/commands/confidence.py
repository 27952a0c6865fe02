"""`sepm confidence`: is the final answer calibrated, and which score tells right from wrong?"""

from sepm.analysis.confidence_auroc import as_document, confidence_scores
from sepm.commands.options import AsJson, Runs
from sepm.terminal import show_result


def run(runs: Runs, /, *, as_json: AsJson = False) -> int:
    """Tell how well runs are calibrated, and whether Eq. 4 knows when an answer is wrong."""
    from sepm.report.runs import read_run_groups

    found = [confidence_scores(one) for group in read_run_groups(runs) for one in group.runs]
    show_result(found, as_document(found), as_json=as_json)
    return 0
