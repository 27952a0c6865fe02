"""A run in the schema of Every Eval Ever, version 0.3.0: its results, and a line a sample.

Files lie where the schema's data store has them:
`data/<data set>/<developer>/<model>/<UUID>.json` and `…/<UUID>_samples.jsonl`.
"""

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any

from sepm.analysis.stored_run import StoredRun
from sepm.datasets.locations import SOURCES
from sepm.errors import InputError
from sepm.export.run_facts import (
    Files,
    answered_rows,
    path_part,
    sha256,
    software_version,
)
from sepm.records.labels import labels_of
from sepm.records.writing import Record, as_line

SCHEMA_VERSION = "0.3.0"
Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What no run tells: whose model it is and who ran it.

    Raises:
        InputError: a name is empty or holds a slash.
    """

    developer: str
    """Of the model, as in its hub id: "liuhaotian"."""
    organization: str
    """That ran the evaluation."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value.strip() or "/" in value:
                raise InputError(f"{name} must be a name without a slash, got '{value}'")


def every_eval_ever_files(run: StoredRun, origin: Origin) -> Files:
    """The two files of a run. The same run gives the same names, so that it replaces itself.

    Raises:
        InputError: the run has no answered row.
    """
    model_id = f"{origin.developer}/{run.model}"
    evaluation_id = f"{run.dataset}/{model_id}/{run.name}/{run.written_at}"
    samples = [_sample(row, run, model_id, evaluation_id) for _, row in answered_rows(run)]
    text = "".join(map(as_line, samples))
    names = (run.dataset, origin.developer, run.model)
    path = f"data/{'/'.join(map(path_part, names))}/{_uuid(run)}"
    content = {
        **_aggregate(run, origin, model_id, evaluation_id),
        "detailed_evaluation_results": {
            "format": "jsonl",
            "file_path": f"{path}_samples.jsonl",
            "hash_algorithm": "sha256",
            "checksum": sha256(text),
            "total_rows": len(samples),
        },
    }
    whole = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    return {f"{path}.json": whole, f"{path}_samples.jsonl": text}


def _uuid(run: StoredRun) -> uuid.UUID:
    """A UUID of version 4 that is made of the run's rows and settings."""
    made = [run.dataset, run.model, run.name, run.configuration, run.records]
    digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).digest()
    return uuid.UUID(bytes=digest[:16], version=4)


def _aggregate(run: StoredRun, origin: Origin, model_id: str, evaluation_id: str) -> Json:
    time = str(run.written_at)
    commit = run.fact("environment", "git_commit")
    own = origin.organization == origin.developer
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": evaluation_id,
        "evaluation_timestamp": time,
        "retrieved_timestamp": time,
        "source_metadata": {
            "source_name": "SEPM, a reproduction on LLaVA",
            "source_type": "evaluation_run",
            "source_organization_name": origin.organization,
            "evaluator_relationship": "first_party" if own else "third_party",
        },
        "eval_library": {
            "name": "sepm",
            "version": software_version(run),
            "additional_details": _texts({"git_commit": commit}),
        },
        "model_info": _model_info(run, origin, model_id),
        "evaluation_results": _results(run),
    }


def _model_info(run: StoredRun, origin: Origin, model_id: str) -> Json:
    about = {
        "deployment_type": "self_deployed",
        "model_availability": "unknown",
        "revision": run.facts.get("revision"),
        "checkpoint_sha256": run.facts["sha256"].get("checkpoint"),
        "dtype": run.configuration.get("dtype"),
    }
    version = run.fact("environment", "transformers")
    engine = {"name": "transformers", **({"version": version} if version else {})}
    return {
        "name": run.model,
        "id": model_id,
        "developer": origin.developer,
        "inference_engine": engine,
        "additional_details": _texts(about),
    }


def _results(run: StoredRun) -> list[Json]:
    """Accuracy with its interval, and the scores that have none."""
    numbers = run.summary
    low, high = numbers["ci95"]
    interval = {"lower": low, "upper": high, "confidence_level": 0.95, "method": "wilson"}
    counts = ("correct", "unread", "errors", "off_menu", "chance")
    accuracy = {
        "score": numbers["accuracy"],
        "details": _texts({name: numbers[name] for name in counts}),
        "uncertainty": {"confidence_interval": interval, "num_samples": numbers["n"]},
    }
    others = {"macro_f1": numbers["macro_f1"], "polarity_accuracy": numbers["polarity_accuracy"]}
    if numbers["coarse"]:
        others["coarse_accuracy"] = numbers["coarse"]["accuracy"]
    scores = {"accuracy": accuracy} | {name: {"score": value} for name, value in others.items()}
    return [_result(run, name, details) for name, details in scores.items()]


def _result(run: StoredRun, metric: str, score_details: Json) -> Json:
    kind = "f1" if metric == "macro_f1" else "accuracy"
    return {
        "evaluation_result_id": metric,
        "evaluation_name": _name(run),
        "source_data": _source(run),
        "evaluation_timestamp": str(run.written_at),
        "metric_config": {
            "metric_id": "f1_macro" if kind == "f1" else metric,
            "metric_name": metric,
            "metric_kind": kind,
            "metric_unit": "proportion",
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0.0,
            "max_score": 1.0,
        },
        "score_details": score_details,
        "generation_config": {
            "generation_args": {"temperature": 0.0},
            "additional_details": _texts(
                {"method": run.method, "preset": run.facts["preset"], **run.configuration}
            ),
        },
    }


def _source(run: StoredRun) -> Json:
    """Source of the data set: its authors' address, where it is one of the paper's."""
    about = {"dataset_name": run.taxonomy.title}
    if run.dataset in SOURCES:
        return {**about, "source_type": "url", "url": [SOURCES[run.dataset]]}
    return {**about, "source_type": "other"}


def _name(run: StoredRun) -> str:
    return f"{run.dataset}/{run.name}"


def _sample(record: Record, run: StoredRun, model_id: str, evaluation_id: str) -> Json:
    """A line of the samples: one turn, or the two stages of CCI as turns.

    The second stage is a prompt of its own: the model does not see the first one's in it.
    """
    labels = labels_of(record)
    stages = [record[stage] for stage in ("coarse", "fine") if stage in record]
    first = stages[0]["prompt"]
    hashed = json.dumps({"raw": first, "reference": labels}, sort_keys=True)
    about = {"image": record["image"], "image_sha256": record.get("image_sha256")}
    evaluation: Json = {"score": float(record["correct"]), "is_correct": record["correct"]}
    if "coarse" in record:
        about |= {
            "turns": "each is a prompt of its own",
            "confidence": record["coarse"]["confidence"],
        }
        evaluation["num_turns"] = 2
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": evaluation_id,
        "model_id": model_id,
        "evaluation_name": _name(run),
        "evaluation_result_id": "accuracy",
        "sample_id": record["question_id"],
        "sample_hash": sha256(hashed),
        "input": {"raw": first, "reference": labels, "choices": list(run.taxonomy.names)},
        **(_two_turns(record) if "coarse" in record else _one_turn(record)),
        "evaluation": evaluation,
        "metadata": _texts(about),
    }


def _one_turn(record: Record) -> Json:
    return {
        "interaction_type": "single_turn",
        "output": {"raw": [record["fine"]["text"]]},
        "answer_attribution": [_answer(0, "output.raw", record["prediction"], record["fine"])],
    }


def _two_turns(record: Record) -> Json:
    coarse, fine = record["coarse"], record["fine"]
    said = [(stage["prompt"], stage["text"]) for stage in (coarse, fine)]
    turns = [turn for pair in said for turn in zip(("user", "assistant"), pair, strict=True)]
    branch = _answer(1, "messages[1].content", coarse["branch"], coarse)
    return {
        "interaction_type": "multi_turn",
        "messages": [
            {"turn_idx": i, "role": role, "content": text} for i, (role, text) in enumerate(turns)
        ],
        "answer_attribution": [
            branch | {"is_terminal": False},
            _answer(3, "messages[3].content", record["prediction"], fine),
        ],
    }


def _answer(turn: int, source: str, value: str | None, stage: Json) -> Json:
    return {
        "turn_idx": turn,
        "source": source,
        "extracted_value": value or "",
        "extraction_method": stage["read"] or "unread",
        "is_terminal": True,
    }


def _texts(values: Json) -> dict[str, str]:
    """The values that are known, as texts, which the schema asks for."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in values.items()
        if value is not None
    }
