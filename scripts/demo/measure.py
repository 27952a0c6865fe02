"""What dropping does on the demo's test scenes: cue tokens removed, and accuracy.

    python scripts/demo/measure.py

prints a Markdown table. A share of 1 is what dropping by chance removes; the paper's claim is
that FoE removes less, so that the fine stage keeps what carries the emotion.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from llava import load_checkpoint
from sepm.datasets.image_files import read_image
from sepm.datasets.question_file import Question, read_questions
from sepm.datasets.tasks import load_taxonomy
from sepm.inference.batch_size import Batcher
from sepm.inference.batching import run_dialogues
from sepm.method.config import PRESETS, Drop, MethodConfig
from sepm.method.dialogue import Dialogue, Outcome, Sample
from sepm.method.taxonomy import Taxonomy
from sepm.registry import METHODS, Recipe

BETAS = (0.1, 0.2, 0.4, 0.8)
BATCH_SIZE = 32
TAXONOMY = load_taxonomy("demo")


def dropping_the_highest(sample: Sample, taxonomy: Taxonomy, config: MethodConfig) -> Dialogue:
    """SEPM turned upside down, as a control: the highest-scored visual tokens go."""
    dialogue = METHODS["sepm"].recipe(sample, taxonomy, config)
    coarse = yield next(dialogue)
    assert coarse.scores is not None
    fine = dialogue.send(replace(coarse, scores=tuple(-score for score in coarse.scores)))
    reply = yield fine
    try:
        dialogue.send(reply)
    except StopIteration as end:
        return end.value
    raise AssertionError("SEPM asks twice")


SEPM = METHODS["sepm"].recipe
STRATEGIES: dict[str, tuple[Recipe, Drop]] = {
    "foe": (SEPM, "foe"),
    "query": (SEPM, "query"),
    "random": (SEPM, "random"),
    "highest FoE": (dropping_the_highest, "foe"),
}
"""Kind of dropping -> recipe, and the setting `drop`."""


def accuracy(questions: Sequence[Question], decided: Sequence[Outcome]) -> float:
    """Share of scenes whose class was named."""
    letters = [TAXONOMY.by_name(q.label).option_letter for q in questions]
    right = [o.reply.letter == letter for o, letter in zip(decided, letters, strict=True)]
    return sum(right) / len(right)


def cue_removal(cues: Sequence[set[int]], decided: Sequence[Outcome], num_tokens: int) -> float:
    """Cue tokens among the dropped, relative to what the same number drawn by chance would hold."""
    lost = sum(len(cue & set(o.dropped or ())) for cue, o in zip(cues, decided, strict=True))
    dropped = sum(len(o.dropped or ()) for o in decided)
    return lost / sum(map(len, cues)) / (dropped / (len(decided) * num_tokens))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure dropping on the demo's test scenes.")
    parser.add_argument("--data", type=Path, default=Path("data/demo"))
    parser.add_argument("--model", type=Path, default=Path("data/demo/llava-demo"))
    args = parser.parse_args()
    model, batcher = load_checkpoint(str(args.model)), Batcher(BATCH_SIZE, print)
    questions = read_questions(args.data / "stage_1.jsonl", TAXONOMY, args.data / "image")
    stored = json.loads((args.data / "cues.json").read_text(encoding="utf-8"))
    cues = [set(stored[q.question_id]) for q in questions]
    inputs = [model.preprocess(read_image(args.data / "image" / q.image)) for q in questions]
    images = list(batcher.map(model.encode, inputs))
    samples = [Sample(q.question_id, model.max_visual_tokens, q.text) for q in questions]
    print("Cue tokens removed relative to chance / accuracy\n")
    print("| dropped |" + "".join(f" β = {beta} |" for beta in BETAS))
    print("|---" * (len(BETAS) + 1) + "|")
    for name, (recipe, drop) in tqdm(STRATEGIES.items()):
        cells = []
        for beta in BETAS:
            config = replace(PRESETS["paper"], drop=drop, beta=beta)
            dialogues = [(i, recipe(s, TAXONOMY, config)) for i, s in enumerate(samples)]
            found = dict(run_dialogues(model, dialogues, images, batcher.map))
            decided = [found[i] for i in range(len(samples))]
            removed = cue_removal(cues, decided, images[0].num_tokens)
            cells.append(f" {removed:.2f} / {accuracy(questions, decided):.3f} |")
        tqdm.write(f"| {name} |{''.join(cells)}")


if __name__ == "__main__":
    main()
