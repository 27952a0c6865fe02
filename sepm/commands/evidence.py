"""`sepm evidence`: whether dropping spares what people marked as the evidence of images."""

from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sepm.commands.figures import ImageFolder, read_groups
from sepm.commands.options import AsJson, Runs
from sepm.errors import InputError
from sepm.terminal import show_result

MAPS_HELP = (
    "Folder of grey images named as the question file's, any suffix (white: most evidence), or a "
    "JSON file of visual tokens or of boxes in pixels by question id."
)


def run(
    runs: Runs,
    /,
    *,
    maps: Annotated[Path, Parameter(help=MAPS_HELP)],
    image_folder: ImageFolder = (),
    as_json: AsJson = False,
) -> int:
    """Tell how much evidence dropping removed in runs, relative to chance, with intervals.

    Boxes need --image-folder; maps and visual tokens do not, but with it padding is told apart.
    """
    from sepm.analysis.evidence import EvidenceReader, evidence_report
    from sepm.analysis.evidence_text import as_document
    from sepm.datasets.evidence_maps import read_evidence_maps
    from sepm.report.image_folders import load_size

    evidence = read_evidence_maps(maps)
    groups, folders = read_groups(runs, image_folder)
    found = []
    for group in groups:
        folder = folders.get(group.dataset)
        reader = EvidenceReader(evidence, partial(load_size, folder=folder) if folder else None)
        report = evidence_report([reader.losses(run) for run in group.runs])
        found.append({"dataset": group.dataset, "model": group.model, **report})
    if not any(group["runs"] for group in found):
        raise InputError(
            f"{maps} has no evidence about an image that lost visual tokens in these runs; maps "
            "are named as the question file's images, marks of a JSON file as its question ids"
        )
    result = {"maps": str(maps), "groups": found}
    show_result(result, as_document(result), as_json=as_json)
    return 0
