"""`sepm bench`: what a run costs here, measured with random weights of any size."""

from typing import Annotated, Any

from cyclopts import Parameter

from sepm.bench.request import BenchRequest
from sepm.commands.options import COMMAND, AsJson
from sepm.datasets.files import write_whole
from sepm.records.folder import as_json as json_content
from sepm.terminal import complain, show_result


def run(
    request: Annotated[BenchRequest, Parameter(name="*", group=COMMAND)] = BenchRequest(),
    *,
    as_json: AsJson = False,
) -> int:
    """Measure what a run costs here, with random weights of any size.

    Exit status 0; 1 where in float32 a letter differs between variants.
    """
    from sepm.bench.run import bench  # imports torch, once the options are right
    from sepm.bench.text import as_document

    result = bench(request)
    show_result(result, [*as_document(result), str(request.output_file)], as_json=as_json)
    write_whole(request.output_file, json_content(result))  # last: what was measured has been shown
    if differing := other_letters(result):
        complain(f"sepm bench: {differing}")
        return 1
    return 0


def other_letters(result: dict[str, Any]) -> str | None:
    """What is wrong where in float32 letters differ, or nothing."""
    pairs = [pair for pair in result["sameness"]["pairs"] if pair["letters"]]
    if result["environment"]["dtype"] != "float32" or not pairs:
        return None
    listed = "; ".join(
        f"{p['variant']} gave other letters than {p['baseline']} for {p['letters']} of "
        f"{p['answers']} answers"
        for p in pairs
    )
    return f"{listed}: in float32 all must be the same; --json lists them under sameness.pairs"
