"""The benchmark's figures as one reads them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sepm.bench.stages import ANSWER, COARSE, ENCODE, FINE, LOAD, SHARED
from sepm.documents import ABSENT, Document, Grid

Json = Mapping[str, Any]

NOTES = (
    "Stages in ms per image. In brackets: measured by itself in one thread, a run overlaps it. "
    "Shared: prefills behind an image that has several, and what prompts have in common.",
    "TFLOP: matrix products, convolutions and attention, the latter above the diagonal too",
)
ON_CUDA = "peak GB: allocated (reserved) on the device, reset before each variant"
ELSEWHERE = "peak GB: the process's maximum so far, so no variant's is smaller than an earlier's"


def as_document(result: Json) -> Document:
    """All tables, and what to know about them."""
    titles = {key: variant["title"] for key, variant in result["variants"].items()}
    sections = (
        list(_head(result)),
        _table([_variant(v, result) for v in result["variants"].values()]),
        [*NOTES, ON_CUDA if "cuda" in result["environment"]["device"] else ELSEWHERE],
        _table([_ratio(ratio, titles) for ratio in result["ratios"]]),
        _table([_prefill(row) for row in result["prefill"]]),
        _table([_pair(pair, titles) for pair in result["sameness"]["pairs"]]),
        [_flip(flip, pair) for pair in result["sameness"]["pairs"] for flip in pair["flips"]],
    )
    return [line for lines in sections if lines for line in (*lines, "")]


def _table(rows: Sequence[Mapping[str, str]]) -> list[Grid]:
    """A table of cells by column; none where there are no rows."""
    return [Grid(list(rows[0]), [list(row.values()) for row in rows])] if rows else []


def _head(result: Json) -> Iterator[str]:
    environment, model, ceiling = result["environment"], result["model"], result["ceiling"]
    settings, lengths = result["settings"], model["prompt_ids"]
    yield (
        f"# {settings['shape']} ({model['parameters'] / 1e9:.3g} billion random weights), "
        f"{environment['dtype']}, {environment['device']} ({environment['device_name']})"
    )
    yield ""
    yield (
        f"torch {environment['torch']}, transformers {environment['transformers']}, "
        f"{environment['threads']} threads; {settings['images']} images × "
        f"{settings['repeats']} repeats, ours in turn; median [min to max]"
    )
    yield (
        f"{model['visual_tokens']} visual tokens, {model['dropped_tokens']} dropped by SEPM; "
        f"prompts of {min(lengths)} to {max(lengths)} ids with {model['tokenizer']}"
    )
    yield (
        f"ceiling: {ceiling['tflops']:.3g} TFLOP/s, the best of matrix products "
        + ", ".join(f"{p['m']}×{p['k']}×{p['n']}" for p in ceiling["products"])
    )


def _variant(variant: Json, result: Json) -> dict[str, str]:
    rate, reserved = variant["images_per_second"], variant["peak_reserved_gb"]
    stages = {name: f"{ms:.1f}" for name, ms in variant["stages_ms_per_image"].items()}
    stages = {LOAD: f"({result['load_ms_per_image']:.1f})", **stages}
    return {
        "variant": variant["title"],
        "images/s": f"{rate['median']:.3g} [{rate['min']:.3g} to {rate['max']:.3g}]",
        **{n: stages.get(n, ABSENT) for n in (LOAD, ENCODE, COARSE, FINE, SHARED, ANSWER)},
        "peak GB": f"{variant['peak_memory_gb']:.2f}"
        + (f" ({reserved:.2f})" if reserved is not None else ""),
        "TFLOP/image": f"{variant['tflop_per_image']:.3g}",
        "TFLOP/s": f"{variant['tflops']:.3g}",
        "of ceiling": f"{variant['share_of_ceiling']:.0%}",
    }


def _ratio(ratio: Json, titles: Mapping[str, str]) -> dict[str, str]:
    long, short = titles[ratio["numerator"]], titles[ratio["denominator"]]
    return {
        "time of one / time of the other": f"{long} / {short}",
        **{name: f"{ratio[name]:.2f}" for name in ("median", "min", "max")},
    }


def _prefill(row: Json) -> dict[str, str]:
    return {
        "coarse prefill by itself": f"batch {row['batch_size']}",
        "ms per image": f"{row['ms_per_image']:.1f}",
        "TFLOP/s": f"{row['tflops']:.3g}",
        "of ceiling": f"{row['share_of_ceiling']:.0%}",
    }


def _pair(pair: Json, titles: Mapping[str, str]) -> dict[str, str]:
    return {
        "same answers?": titles[pair["variant"]],
        "as": titles[pair["baseline"]],
        "answers": str(pair["answers"]),
        "other letters": str(pair["letters"]),
        "other dropped": str(pair["dropped"]),
    }


def _flip(flip: Json, pair: Json) -> str:
    here, there = (", ".join(map(str, flip[side])) for side in ("here", "there"))
    return (
        f"{flip['question_id']}, {flip['run']}: letters {here} in {pair['variant']}, "
        f"{there} in {pair['baseline']}"
    )
