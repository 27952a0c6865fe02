"""Evidence removed relative to chance: by hand, by brute force, and intervals drawn again."""

from collections.abc import Mapping
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepm.analysis.evidence import EvidenceReader, Loss, evidence_report, loss, measure
from sepm.analysis.evidence_text import as_document
from sepm.analysis.stored_run import StoredRun
from sepm.analysis.token_evidence import TokenEvidence
from sepm.datasets.evidence_maps import MapFile, MarkedTokens
from sepm.datasets.tasks import load_taxonomy
from sepm.documents import as_markdown
from sepm.errors import InputError
from sepm.method.config import PRESETS
from tests.sepm.hand_made import GRID, row

Json = dict[str, Any]
Marks = dict[str, list[int]]
WIDE = (32, 16)
"""Of an image twice as wide as high, tokens 4 to 11 see something."""


def record(name: str, dropped: list[int], **fields: Any) -> Json:
    names = {"question_id": name, "image": name}
    return row("fear", 0, "fear") | names | {"dropped": dropped} | fields


def stored(name: str, dropped: Mapping[str, list[int]], **settings: Any) -> StoredRun:
    facts = {
        **{"dataset": "emoset", "model": "m", "method": "zero-shot", "preset": "paper"},
        **{"configuration": {**asdict(PRESETS["paper"]), **settings}, "visual_tokens": GRID},
    }
    records = [record(key, tokens) for key, tokens in dropped.items()]
    return StoredRun(Path(name), facts, records, load_taxonomy("emoset"), name)


def marks(cues: Mapping[str, list[int]]) -> MapFile:
    return MapFile(Path("cues.json"), {k: MarkedTokens(tuple(v)) for k, v in cues.items()})


def random_marks(images: int) -> tuple[Marks, Marks]:
    """Cues and dropped tokens, four of 16, both by chance."""
    rng = np.random.default_rng(11)
    names = [f"fear/{number}.png" for number in range(images)]
    cues = {n: sorted(rng.choice(16, rng.integers(1, 5), replace=False)) for n in names}
    gone = {n: sorted(rng.choice(16, 4, replace=False)) for n in names}
    return cues, gone


def losses_of(cues: Marks, run: StoredRun) -> list[Loss]:
    return list(EvidenceReader(marks(cues), lambda _: WIDE).losses(run).images.values())


def test_losses_of_two_images_by_hand() -> None:
    cues = {"a": [4, 5, 6], "b": [7]}
    dropped = {"a": [0, 4, 5, 15], "b": [0, 1, 2, 3]}
    found = measure(losses_of(cues, stored("sepm", dropped)))
    assert found["images"] == 2
    assert found["evidence_removed"] == 2 / 4  # two of the four marked tokens
    assert found["relative"] == (2 / 4) / (4 / 16)
    assert found["per_image"] == (2 / 3 / (4 / 16) + 0) / 2
    # Of the 8 tokens that see the image 2 went in "a", none in "b": chance takes 3 × 2/8 + 0.
    assert found["inside"] == 2 / (3 * 2 / 8)
    assert found["least"] == 0
    assert found["most"] == (3 + 1) / ((3 + 1) * 4 / 16)


def test_the_share_is_that_of_all_cue_tokens_over_that_of_all_tokens() -> None:
    cues, dropped = random_marks(60)
    found = measure(EvidenceReader(marks(cues)).losses(stored("s", dropped)).images.values())
    lost = sum(len({*cues[name]} & {*dropped[name]}) for name in cues)
    share = lost / sum(map(len, cues.values()))
    assert found["relative"] == pytest.approx(share / (4 / 16))
    assert found["inside"] is None


def test_least_and_most_are_the_extremes_over_all_choices() -> None:
    masses = np.array([0.5, 3.0, 0.25, 1.0, 0.0, 2.0])
    sums = [masses[list(chosen)].sum() for chosen in combinations(range(6), 3)]
    found = loss(TokenEvidence(masses, None), [0, 3, 5])
    assert (found.least, found.most) == (min(sums), max(sums))
    assert found.chance == pytest.approx(np.mean(sums))
    assert found.removed == 3.5


def test_intervals_are_percentiles_over_images_drawn_anew() -> None:
    cues, dropped = random_marks(80)
    losses = losses_of(cues, stored("s", dropped))
    found = measure(losses)
    removed, chance, inside = (
        np.array([getattr(one, name) for one in losses])
        for name in ("removed", "chance", "chance_inside")
    )
    draws = np.random.default_rng(5).integers(80, size=(20_000, 80))
    again = {
        "relative": removed[draws].sum(1) / chance[draws].sum(1),
        "inside": removed[draws].sum(1) / inside[draws].sum(1),
        "per_image": (removed / chance)[draws].mean(1),
    }
    for name, values in again.items():
        low, high = np.quantile(values, (0.025, 0.975))
        assert found[f"{name}_ci95"] == pytest.approx((low, high), abs=0.05), name
        assert low < 1 < high
    assert found == measure(losses)


def test_a_difference_is_over_common_images_drawn_in_pairs() -> None:
    cues, dropped = random_marks(80)
    spared = {n: [t for t in range(16) if t not in cues[n]][:4] for n in list(cues)[5:]}
    runs = [stored("random", dropped, drop="random"), stored("foe", spared, drop="foe")]
    reader = EvidenceReader(marks(cues))
    (pair,) = evidence_report([reader.losses(run) for run in runs])["pairs"]
    assert (pair["reference"], pair["other"], pair["images"]) == ("foe", "random", 75)
    lost = np.array([len({*cues[n]} & {*dropped[n]}) for n in spared])
    chance = np.array([len(cues[n]) / 4 for n in spared])
    assert pair["difference"] == pytest.approx(lost.sum() / chance.sum())
    draws = np.random.default_rng(5).integers(75, size=(20_000, 75))
    expected = np.quantile(lost[draws].sum(1) / chance[draws].sum(1), (0.025, 0.975))
    assert pair["difference_ci95"] == pytest.approx(tuple(expected), abs=0.05)


def test_runs_stand_by_beta_and_only_those_of_one_beta_are_paired() -> None:
    cues, dropped = random_marks(5)
    half = {name: tokens[:2] for name, tokens in dropped.items()}
    runs = [
        stored("random 0.25", dropped, drop="random", beta=0.25),
        stored("foe 0.25", dropped, drop="foe", beta=0.25),
        stored("foe 0.125", half, drop="foe", beta=0.125),
        stored("zero-shot", {key: [] for key in cues}),
    ]
    reader = EvidenceReader(marks(cues))
    found = evidence_report([reader.losses(run) for run in runs])
    assert [run["name"] for run in found["runs"]] == ["foe 0.125", "foe 0.25", "random 0.25"]
    assert [(p["reference"], p["other"]) for p in found["pairs"]] == [("foe 0.25", "random 0.25")]
    assert found["not_measured"]["zero-shot"]["nothing_dropped"] == 5


def test_images_without_evidence_or_dropping_are_counted_and_left_out() -> None:
    run = stored("s", {"a": [1], "no map": [1], "empty": [1], "nothing": []})
    run = StoredRun(
        run.folder, run.facts, [*run.records, {"question_id": "e", "status": "error"}], None, "s"
    )
    found = EvidenceReader(marks({"a": [1], "empty": [], "nothing": [1]})).losses(run)
    assert list(found.images) == ["a"]
    assert found.left_out == {
        **{"errors": 1, "nothing_dropped": 1, "without_map": 1, "empty_map": 1},
    }
    assert measure(found.images.values())["relative_ci95"] is None  # of one image


def test_tokens_of_each_images_own_number_are_read_from_its_row() -> None:
    run = stored("s", {})
    rows = [
        record("a", [0], num_visual_tokens=4, tiles=[[2, 2, 0.0, 0.0, 1.0, 1.0]]),
        record("b", [0, 1, 2], num_visual_tokens=12),
    ]
    run = StoredRun(run.folder, {**run.facts, "visual_tokens": None}, rows, None, "s")
    found = EvidenceReader(marks({"a": [0], "b": [0, 11]})).losses(run).images
    assert found["a"].chance == 1 / 4
    assert found["b"].chance == 2 * 3 / 12
    assert found["b"].chance_inside is None


def test_a_token_that_is_not_there_is_named_with_its_question() -> None:
    with pytest.raises(InputError, match=r"cues\.json: question_id 'a': .* token 16 among 16"):
        EvidenceReader(marks({"a": [16]})).losses(stored("s", {"a": [0]}))


@pytest.mark.parametrize(
    ("removed", "said"),
    [(0.0, "spared"), (0.25, "lost as by chance"), (0.9, "lost more than by chance")],
)
def test_the_verdict_follows_the_interval(removed: float, said: str) -> None:
    some = [Loss(removed + d, 0.25, None, 0, 1, 1) for d in (0, 0.1, 0, 0.05, -0.1 * (removed > 0))]
    run = {"name": "sepm", "beta": 0.25, "accuracy": 0.5, **measure(some)}
    group = {"dataset": "d", "model": "m", "runs": [run], "pairs": [], "not_measured": {}}
    counts = {"errors": 0, "nothing_dropped": 0, "without_map": 3, "empty_map": 0}
    text = as_markdown(as_document({"groups": [{**group, "runs": [{**run, **counts}]}]}))
    assert f"| {said} |" in " ".join(text.split())
    assert "sepm: left out 3 images without a map" in text
