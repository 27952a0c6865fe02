"""What dropping does on the demo's test scenes: cue tokens removed, and accuracy.

    python scripts/demo/measure.py

prints two Markdown tables. A share of 1 is what dropping by chance removes; the paper's claim is
that FoE removes less, so that the fine stage keeps what carries the emotion.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from llava import Llava, load_checkpoint
from llava.model import VisualTokens
from sepm.datasets.image_files import read_image
from sepm.datasets.question_file import Question, read_questions
from sepm.datasets.tasks import load_taxonomy
from sepm.inference.batch_size import Batcher
from sepm.inference.batching import run_dialogues
from sepm.method.config import PRESETS, MethodConfig
from sepm.method.dialogue import Dialogue, Outcome, Sample
from sepm.method.taxonomy import Taxonomy
from sepm.registry import METHODS, Recipe

BETAS = (0.1, 0.2, 0.4, 0.8)
BATCH_SIZE = 32
TAXONOMY = load_taxonomy("emoset")


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


@dataclass(frozen=True)
class Scenes:
    """The test scenes as the model sees them."""

    questions: list[Question]
    images: list[VisualTokens]
    """Encoded."""
    cues: list[set[int]]
    """Visual tokens of each scene's cue."""


def load_scenes(model: Llava, folder: Path) -> Scenes:
    """The scenes below a folder, encoded."""
    questions = read_questions(folder / "stage_1.jsonl", TAXONOMY, folder / "image")
    cues = json.loads((folder / "cues.json").read_text(encoding="utf-8"))
    inputs = [model.preprocess(read_image(folder / "image" / q.image)) for q in questions]
    images = list(Batcher(BATCH_SIZE, print).map(model.encode, inputs))
    return Scenes(questions, images, [set(cues[q.question_id]) for q in questions])


def outcomes(model: Llava, scenes: Scenes, recipe: Recipe, config: MethodConfig) -> list[Outcome]:
    """What the method decides about each scene."""
    samples = [Sample(q.question_id, model.max_visual_tokens, q.text) for q in scenes.questions]
    dialogues = [(i, recipe(sample, TAXONOMY, config)) for i, sample in enumerate(samples)]
    batcher = Batcher(BATCH_SIZE, print)
    decided = dict(run_dialogues(model, dialogues, scenes.images, batcher.map))
    return [decided[place] for place in range(len(samples))]


def accuracy(scenes: Scenes, decided: Sequence[Outcome]) -> float:
    """Share of scenes whose class was named."""
    letters = [TAXONOMY.by_name(q.label).option_letter for q in scenes.questions]
    right = [o.reply.letter == letter for o, letter in zip(decided, letters, strict=True)]
    return sum(right) / len(right)


def cue_removal(scenes: Scenes, decided: Sequence[Outcome]) -> float:
    """Cue tokens among the dropped, relative to what the same number drawn by chance would hold."""
    lost = sum(len(cue & set(o.dropped or ())) for cue, o in zip(scenes.cues, decided, strict=True))
    dropped = sum(len(o.dropped or ()) for o in decided)
    total = len(decided) * scenes.images[0].num_tokens
    return lost / sum(map(len, scenes.cues)) / (dropped / total)


def print_baselines(model: Llava, scenes: Scenes, config: MethodConfig) -> None:
    """Accuracy without dropping, and the state of the coarse stage."""
    whole = outcomes(model, scenes, METHODS["cci+fp"].recipe, config)
    verdicts = [o.coarse for o in whole if o.coarse]
    truth = [TAXONOMY.by_name(q.label).polarity for q in scenes.questions]
    said = ["positive" if v.reply.probs["A"] > v.reply.probs["B"] else "negative" for v in verdicts]
    coarse = sum(a == b for a, b in zip(said, truth, strict=True)) / len(truth)
    unsure = sum(v.branch == "ambiguous" for v in verdicts) / len(verdicts)
    plain = accuracy(scenes, outcomes(model, scenes, METHODS["zero-shot"].recipe, config))
    print(f"| zero-shot | SEPM, nothing dropped | coarse accuracy | ambiguous |\n{'|---' * 4}|")
    print(f"| {plain:.3f} | {accuracy(scenes, whole):.3f} | {coarse:.3f} | {unsure:.3f} |\n")


def print_dropping(model: Llava, scenes: Scenes, preset: MethodConfig) -> None:
    """Cue removal and accuracy of each strategy at each drop ratio."""
    sepm = METHODS["sepm"].recipe
    strategies: dict[str, tuple[Recipe, MethodConfig]] = {
        "foe": (sepm, preset),
        "query": (sepm, replace(preset, drop="query")),
        "random": (sepm, replace(preset, drop="random")),
        "highest FoE": (dropping_the_highest, preset),
    }
    head = "".join(f" β = {beta} |" for beta in BETAS)
    print(f"Cue tokens removed relative to chance / accuracy\n\n| dropped |{head}")
    print("|---" * (len(BETAS) + 1) + "|")
    for name, (recipe, config) in tqdm(strategies.items()):
        cells = []
        for beta in BETAS:
            decided = outcomes(model, scenes, recipe, replace(config, beta=beta))
            cells.append(f" {cue_removal(scenes, decided):.2f} / {accuracy(scenes, decided):.3f} |")
        tqdm.write(f"| {name} |{''.join(cells)}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure dropping on the demo's test scenes.")
    parser.add_argument("--data", type=Path, default=Path("data/demo"))
    parser.add_argument("--model", type=Path, default=Path("data/demo/llava-demo"))
    parser.add_argument("--preset", choices=PRESETS, default="paper")
    args = parser.parse_args()
    model = load_checkpoint(str(args.model))
    scenes = load_scenes(model, args.data)
    print_baselines(model, scenes, PRESETS[args.preset])
    print_dropping(model, scenes, PRESETS[args.preset])


if __name__ == "__main__":
    main()
