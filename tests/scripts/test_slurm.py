"""`scripts/slurm/eval.sbatch`, run as SLURM runs it, but without SLURM."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JOB = {"SLURM_SUBMIT_DIR": str(ROOT), "SLURM_JOB_ID": "7"}


@pytest.mark.parametrize(("gpus", "processes"), [("0", 1), ("0,1", 2)])
def test_a_job_runs_the_evaluation_on_the_gpus_that_slurm_gives(outcome_of, gpus, processes):
    outcome = outcome_of("slurm/eval.sbatch", CUDA_VISIBLE_DEVICES=gpus, **JOB)
    assert outcome.status == 0
    assert outcome.words[outcome.words.index("sepm") :][:3] == ["sepm", "eval", "--dataset"]
    assert ("accelerate.commands.launch" in outcome.words) == (processes > 1)
    assert (
        "--overwrite" not in outcome.words
    )  # which would throw the rows of a preempted start away


def test_a_preempted_job_is_queued_again() -> None:
    lines = (ROOT / "scripts/slurm/eval.sbatch").read_text(encoding="utf-8").splitlines()
    assert {"#SBATCH --requeue", "#SBATCH --open-mode=append"} <= set(lines)


def test_outside_of_slurm_it_says_what_it_is(outcome_of, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_SUBMIT_DIR", raising=False)
    outcome = outcome_of("slurm/eval.sbatch")
    assert outcome.commands == []
    assert "this is a job for sbatch" in outcome.errors
