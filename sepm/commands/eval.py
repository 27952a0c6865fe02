"""`sepm eval`: methods over a question file, records and accuracy on disk."""

from sepm.analysis.eval_text import as_document
from sepm.analysis.plain_text import ways_read
from sepm.commands.options import AsJson, Data, MethodOptions, Methods, Model, Run, Settings
from sepm.evaluation.request import EvaluationRequest, RunOptions, require_files
from sepm.progress import tell
from sepm.records.folder import ACCURACY, read_json
from sepm.terminal import show_result


def run(
    *,
    method: Methods,
    model: Model,
    data: Data,
    run: Run = RunOptions(),
    settings: Settings = MethodOptions(),
    as_json: AsJson = False,
) -> int:
    """Evaluate methods on a question file.

    Exit status 0: every row was computed, or is an error that was to be skipped.
    """
    request = EvaluationRequest(model, data, run)
    runs = settings.runs(method)
    require_files(model, data)
    from sepm.evaluation.evaluate import evaluate  # imports torch, once the options are right
    from sepm.models.opening import start_model

    content = data.read()
    found = evaluate(request, runs, content, start_model(model))
    paths = [folder / ACCURACY for folder in found.values()]
    results = list(map(read_json, paths))
    show_result(results, as_document(results, paths), as_json=as_json)
    for path, result in zip(paths, results, strict=True):
        if (ways := ways_read(result)) is not None:
            tell(f"{path.parent.name}, answers by how they were read, {ways}")
    return 0
