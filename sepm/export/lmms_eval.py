"""Runs as lmms-eval's evaluation tracker writes them (version 0.7.3).

`<model>/<date>_results.json` has the aggregates of all runs of a model, each run as a task;
`<model>/<date>_samples_<task>.jsonl` a line for each sample.
"""

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from sepm.analysis.metrics import credited_label
from sepm.analysis.stored_run import StoredRun
from sepm.errors import InputError
from sepm.export.run_facts import (
    Files,
    answered_rows,
    path_part,
    sha256,
    software_version,
)
from sepm.records.writing import Record, as_line

METRICS = ("accuracy", "macro_f1")
UNKNOWN = (
    *("system_instruction", "system_instruction_sha", "fewshot_as_multiturn"),
    *("chat_template", "chat_template_sha", "start_time", "end_time"),
)
"""Fields of the tracker that no run fills."""
INVALID = "[invalid]"
"""Answer that could not be read, as the filters of lm-eval write it."""


def lmms_eval_files(runs: Sequence[StoredRun]) -> Files:
    """The files of some runs: of each model one with results, and one with samples a run.

    Raises:
        InputError: a run has no answered row, or two runs of a model have one name.
    """
    files: Files = {}
    by_model = sorted(runs, key=lambda run: run.model)
    for model, group in groupby(by_model, key=lambda run: run.model):
        tasks = _by_task(list(group))
        date = datetime.fromtimestamp(max(run.written_at for run in tasks.values()), UTC)
        prefix = f"{path_part(model)}/{date:%Y%m%d_%H%M%S}"
        samples = {t: [_sample(*row) for row in answered_rows(run)] for t, run in tasks.items()}
        results = {**_results(tasks), **_settings(tasks, date), **_tracked(model, tasks, samples)}
        files[f"{prefix}_results.json"] = json.dumps(results, indent=2, ensure_ascii=False) + "\n"
        for task, lines in samples.items():
            files[f"{prefix}_samples_{task}.jsonl"] = "".join(map(as_line, lines))
    return files


def _by_task(runs: Sequence[StoredRun]) -> dict[str, StoredRun]:
    """Runs of one model by the names of their tasks: data set and run."""
    tasks: dict[str, StoredRun] = {}
    for run in runs:
        task = re.sub(r"\W", "_", f"{run.dataset}_{run.name}")
        if task in tasks:
            raise InputError(f"{tasks[task].folder} and {run.folder} are both task {task}")
        tasks[task] = run
    return tasks


def _sample(index: int, record: Record) -> dict[str, Any]:
    """A line of the samples; the input is the query that decided, its image beside it."""
    document = {name: record[name] for name in ("question_id", "image", "label")}
    return {
        "doc_id": index,
        "target": credited_label(record),
        "resps": [record["fine"]["text"]],
        "filtered_resps": record["prediction"] or INVALID,
        "token_counts": [None],
        "doc_hash": sha256(json.dumps(document, indent=2, ensure_ascii=False)),
        "input_media": [record["image"]],
        "accuracy": float(record["correct"]),
        "input": record["fine"]["prompt"],
        "question_id": record["question_id"],
    }


def _results(tasks: dict[str, StoredRun]) -> dict[str, Any]:
    """The fields that lmms-eval's `evaluate` returns."""
    counts = {task: (len(run.records), run.summary["n"]) for task, run in tasks.items()}
    return {
        "results": {task: _scores(task, run) for task, run in tasks.items()},
        "group_subtasks": {task: [] for task in tasks},
        "configs": {task: _task_config(task, run) for task, run in tasks.items()},
        "versions": {task: software_version(run) for task, run in tasks.items()},
        "n-shot": dict.fromkeys(tasks, 0),
        "higher_is_better": {task: dict.fromkeys(METRICS, True) for task in tasks},
        "n-samples": {
            task: {"original": rows, "effective": n} for task, (rows, n) in counts.items()
        },
    }


def _scores(task: str, run: StoredRun) -> dict[str, Any]:
    """Scores of a run; the standard error is that of a mean, over n - 1."""
    n, accuracy = run.summary["n"], run.summary["accuracy"]
    error = math.sqrt(accuracy * (1 - accuracy) / (n - 1)) if n > 1 else "N/A"
    return {
        "alias": task,
        "accuracy,none": accuracy,
        "samples": n,
        "accuracy_stderr,none": error,
        "accuracy_stderr_clt,none": error,
        "macro_f1,none": run.summary["macro_f1"],
        "macro_f1_stderr,none": "N/A",
    }


def _task_config(task: str, run: StoredRun) -> dict[str, Any]:
    metrics = [{"metric": name, "higher_is_better": True} for name in METRICS]
    about = {name: run.facts[name] for name in ("method", "preset", "configuration")}
    return {
        "task": task,
        "dataset_path": run.dataset,
        "output_type": "generate_until",
        "num_fewshot": 0,
        "metric_list": metrics,
        "generation_kwargs": {"do_sample": False},
        "repeats": 1,
        "metadata": {**about, "errors": run.summary["errors"], "unread": run.summary["unread"]},
    }


def _settings(tasks: dict[str, StoredRun], date: datetime) -> dict[str, Any]:
    """The fields that `simple_evaluate` adds; what differs between the runs is None."""
    runs = list(tasks.values())

    def common(values: Sequence[Any]) -> Any:
        return values[0] if all(value == values[0] for value in values) else None

    model = runs[0].model
    config = {
        "model": "sepm",
        "model_args": f"pretrained={model}",
        "batch_size": common([run.fact("timing", "batch_size") for run in runs]),
        "batch_sizes": [],
        "device": common([run.fact("environment", "device") for run in runs]),
        "use_cache": None,
        "limit": common([run.facts.get("limit") for run in runs]),
        "bootstrap_iters": 0,
        "gen_kwargs": "",
        "random_seed": common([run.configuration["seed"] for run in runs]),
    }
    return {
        "config": config,
        "git_hash": common([run.fact("environment", "git_commit") for run in runs]),
        "date": f"{date:%Y%m%d_%H%M%S}",
    }


def _tracked(
    model: str, tasks: dict[str, StoredRun], samples: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    """The fields that the tracker adds before it writes."""
    hashes = {
        task: sha256("".join(f"sample_{i}{line['doc_hash']}" for i, line in enumerate(lines)))
        for task, lines in samples.items()
    }
    seconds = [run.fact("timing", "seconds") for run in tasks.values()]
    known = [value for value in seconds if value is not None]
    return {
        "task_hashes": hashes,
        "model_source": "sepm",
        "model_name": model,
        "model_name_sanitized": path_part(model),
        **dict.fromkeys(UNKNOWN),
        "total_evaluation_time_seconds": str(sum(known)) if known else None,
    }
