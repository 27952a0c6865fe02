"""Every row of the golden records: what the authors' released code computes on a tiny checkpoint.

The records hold the real LLaMA tokenizer and so stay outside the repository; they are looked for in
`SEPM_GOLDEN_DIR`, else in `../shared/golden`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sepm.cli import main
from sepm.records.reading import read_records

ROOT = Path(__file__).parents[2]
GOLDEN = Path(os.environ.get("SEPM_GOLDEN_DIR", ROOT.parent / "shared" / "golden"))

pytestmark = pytest.mark.skipif(
    not (GOLDEN / "released.json").is_file(),
    reason=f"no golden records at {GOLDEN} (set SEPM_GOLDEN_DIR)",
)


@pytest.fixture(scope="module")
def golden_rows() -> dict:
    rows = json.loads((GOLDEN / "released.json").read_text())["rows"]
    return {row["question_id"]: row for row in rows}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden") / "llava-golden"
    subprocess.run([sys.executable, GOLDEN / "make_checkpoint.py", folder], check=True)
    return folder


@pytest.fixture(scope="module", params=[1, 8])
def records(request: pytest.FixtureRequest, checkpoint: Path, tmp_path_factory) -> dict:
    results = tmp_path_factory.mktemp("results")
    status = main(
        f"eval --method sepm --preset released --model-path {checkpoint} --save-scores "
        f"--question-file {GOLDEN / 'stage_1.jsonl'} --image-folder {GOLDEN / 'images'} "
        f"--output-dir {results} --device cpu --dtype float32 --batch-size {request.param}".split()
    )
    assert status == 0
    (predictions,) = results.rglob("predictions.jsonl")
    return read_records([predictions], taxonomy=None)


def test_every_golden_row_was_run(records: dict, golden_rows: dict) -> None:
    assert records.keys() == golden_rows.keys()
    assert len(records) == 40


def test_probabilities_of_a_and_b_agree_to_1e_4(records: dict, golden_rows: dict) -> None:
    for key, golden in golden_rows.items():
        coarse = records[key]["coarse"]
        assert coarse["p_a"] == pytest.approx(golden["p_a"], abs=1e-4), key
        assert coarse["p_b"] == pytest.approx(golden["p_b"], abs=1e-4), key
        assert coarse["confidence"] == pytest.approx(golden["sample_variance"], abs=1e-4), key


def test_foe_scores_agree_to_1e_5(records: dict, golden_rows: dict) -> None:
    for key, golden in golden_rows.items():
        ours = torch.tensor(records[key]["foe_scores"])
        assert torch.allclose(ours, torch.tensor(golden["foe_score"]), rtol=0, atol=1e-5), key


def test_the_same_visual_tokens_are_dropped(records: dict, golden_rows: dict) -> None:
    for key, golden in golden_rows.items():
        assert records[key]["dropped"] == sorted(golden["dropped"]), key


def test_prompts_and_answers_are_the_same(records: dict, golden_rows: dict) -> None:
    for key, golden in golden_rows.items():
        record = records[key]
        assert record["coarse"]["text"] == golden["coarse_text"], key
        assert record["fine"]["prompt"] == golden["fine_prompt"], key
        assert record["fine"]["text"] == golden["fine_text"], key


def test_the_golden_rows_take_every_branch(records: dict) -> None:
    assert {r["coarse"]["branch"] for r in records.values()} == {
        "positive",
        "negative",
        "ambiguous",
    }
