"""The benchmark's figures as one reads them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sepm.analysis import plain_text as text
from sepm.bench.stages import ANSWER, COARSE, ENCODE, FINE, LOAD, MIXED, PREFIX

Json = Mapping[str, Any]

SHARED = (PREFIX, MIXED)
"""Stages of several methods together."""


def as_text(result: Json) -> str:
    """All tables, and what to know about them."""
    sections = (
        _head(result),
        _variants(result),
        _ratios(result),
        _prefill(result),
        _sameness(result),
        _shared_logits(result),
        _sweep(result),
        _linearity(result),
    )
    return "\n\n".join("\n".join(lines) for section in sections if (lines := list(section)))


def _head(result: Json) -> Iterator[str]:
    environment, model, ceiling = result["environment"], result["model"], result["ceiling"]
    settings = result["settings"]
    lengths = model["prompt_ids"].values()
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


def _variants(result: Json) -> Iterator[str]:
    header = (
        *("variant", "images/s", LOAD, ENCODE, COARSE, FINE, "shared", ANSWER),
        *("peak GB", "TFLOP/image", "TFLOP/s", "of ceiling"),
    )
    yield from text.grid(header, [_row(result, v) for v in result["variants"].values()])
    on_cuda = result["environment"]["device"].startswith("cuda")
    yield ""
    yield (
        "Stages in ms per image. In brackets: measured by itself in one thread, a run overlaps it. "
        "Shared: prefills that hold coarse and fine queries, or what they have in common."
    )
    yield (
        "peak GB: allocated (reserved) on the device, reset before each variant"
        if on_cuda
        else "peak GB: the process's maximum so far, so no variant's is smaller than an earlier's"
    )
    yield "TFLOP: matrix products, convolutions and attention, the latter above the diagonal too"


def _row(result: Json, variant: Json) -> list[str]:
    stages, rate = variant["stages_ms_per_image"], variant["images_per_second"]
    load = f"{stages[LOAD]:.1f}" if LOAD in stages else f"({result['load_ms_per_image']:.1f})"
    return [
        variant["title"],
        f"{rate['median']:.3g} [{rate['min']:.3g} to {rate['max']:.3g}]",
        load,
        *(_milliseconds(stages, [name]) for name in (ENCODE, COARSE, FINE)),
        _milliseconds(stages, SHARED),
        _milliseconds(stages, [ANSWER]),
        _memory(variant),
        f"{variant['tflop_per_image']:.3g}",
        f"{variant['tflops']:.3g}",
        f"{100 * variant['share_of_ceiling']:.0f}%",
    ]


def _memory(variant: Json) -> str:
    allocated, reserved = variant["peak_memory_gb"], variant["peak_reserved_gb"]
    return f"{allocated:.2f}" if reserved is None else f"{allocated:.2f} ({reserved:.2f})"


def _milliseconds(stages: Json, names: Sequence[str]) -> str:
    """The sum of some stages, of those that there were."""
    found = [stages[name] for name in names if name in stages]
    return f"{sum(found):.1f}" if found else text.ABSENT


def _ratios(result: Json) -> Iterator[str]:
    titles = _titles(result)
    if result["ratios"]:
        yield from text.grid(
            ("time of one / time of the other", "median", "min", "max"),
            [
                [
                    f"{titles[ratio['numerator']]} / {titles[ratio['denominator']]}",
                    *(f"{ratio[key]:.2f}" for key in ("median", "min", "max")),
                ]
                for ratio in result["ratios"]
            ],
        )


def _prefill(result: Json) -> Iterator[str]:
    yield from text.grid(
        ("coarse prefill by itself", "ms per image", "TFLOP/s", "of ceiling"),
        [
            [
                f"batch {row['batch_size']}",
                f"{1000 * row['tflop'] / row['tflops'] / row['batch_size']:.1f}",
                f"{row['tflops']:.3g}",
                f"{100 * row['share_of_ceiling']:.0f}%",
            ]
            for row in result["prefill"]
        ],
    )


def _titles(result: Json) -> dict[str, str]:
    return {key: variant["title"] for key, variant in result["variants"].items()}


def _sameness(result: Json) -> Iterator[str]:
    sameness = result["sameness"]
    if not sameness["pairs"]:
        return
    titles = _titles(result)
    yield from text.grid(
        ("same answers?", "as", "answers", "other letters", "other dropped", "largest |Δp|"),
        [
            [
                titles[pair["variant"]],
                titles[pair["baseline"]],
                *(str(pair[key]) for key in ("answers", "letters", "dropped")),
                f"{pair['largest_dp']:.1e}",
            ]
            for pair in sameness["pairs"]
        ],
    )
    for flip in sameness["flips"]:
        yield (
            f"{flip['question_id']}, {flip['run']}: {flip['decision']} {flip['here']} in "
            f"{flip['variant']}, {flip['there']} in {flip['baseline']}"
        )


def _shared_logits(result: Json) -> Iterator[str]:
    found = result["shared_logits"]
    yield (
        f"{found['queries']} queries about {found['images']} images behind the shared text, and "
        "behind text and image, against prefills that share nothing: "
        f"largest |Δ logit| {found['largest_difference']:.1e}, "
        f"{found['other_tokens']} other first tokens"
    )


def _sweep(result: Json) -> Iterator[str]:
    if (sweep := result["sweep"]) is not None:
        low, *_, high = sweep["alphas"]
        yield (
            f"sweep over {len(sweep['alphas'])} α from {low:g} to {high:g}: "
            f"{sweep['second_fine_passes']} of {sweep['images']} images paid a second fine pass; "
            f"{sweep['confidences_between']} have a confidence between these α"
        )


def _linearity(result: Json) -> Iterator[str]:
    if (found := result["linearity"]) is not None:
        yield (
            f"first and last {found['images_of_a_tenth']} of {found['images']} images (without "
            f"the first window): {found['first_tenth_ms_per_image']:.2f} and "
            f"{found['last_tenth_ms_per_image']:.2f} ms per image "
            f"({found['last_over_first']:.3f} times), "
            f"{found['first_tenth_resident_gb']:.3f} and "
            f"{found['last_tenth_resident_gb']:.3f} GB resident"
        )
