"""The demo's scenes, drawn from seeds: an emotional cue, distractors, clutter, a weaker cue.

    python scripts/demo/scenes.py

writes the test scenes, their question file and their cue tokens to `data/demo`, and the same
questions once more with pretended votes; with `--maps DIR` it writes the cue of each as a grey map
there, and nothing else.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from pictograms import CUES, DISTRACTORS, Pen, Pictogram
from sepm.datasets.tasks import load_taxonomy

SIDE = 128
"""Longer side of a stored scene, in pixels."""
GRID = 8
"""Visual tokens along each side of the square that the model sees."""
STEP = 8
"""Objects stand at multiples of this many pixels, half a visual token; a tower this small would
otherwise spend its few minutes of training on learning that objects can be moved."""
CUE_SHARE = 0.1
"""A visual token belongs to an object that covers at least this share of its area."""

SPLITS = {"test": 1, "development": 2, "training": 3}
"""First part of every scene's seed: no split can contain a scene of another."""

TAXONOMY = load_taxonomy("demo")
OBJECTS: tuple[Pictogram, ...] = (*(cue for pair in CUES.values() for cue in pair), *DISTRACTORS)

SQUARE, LANDSCAPE, PORTRAIT = (SIDE, SIDE), (SIDE, 96), (96, SIDE)
SHAPE_NAMES = {SQUARE: "square", LANDSCAPE: "landscape", PORTRAIT: "portrait"}
SHAPES = (*(SQUARE,) * 7, LANDSCAPE, LANDSCAPE, PORTRAIT)
"""Widths and heights: seven squares to two landscapes and a portrait, so that padding happens."""

# Difficulty of the scenes, chosen on development scenes.
CUE_SIDES, OPACITY = (16, 20, 24, 28), (0.5, 1.0)
"""Sides of the cue in pixels, and the range of its opacity."""
CONFLICT_SHARE, CONFLICT_STEPS = 0.6, (2, 4, 8)
"""Share of scenes with a second, weaker cue, of any other class; by how many pixels smaller."""
DISTRACTORS_IN_SCENE, MARKS_IN_SCENE = (2, 5), (15, 45)
"""Number of class-free objects, and of strokes and specks: smallest and largest."""


@dataclass(frozen=True)
class Scene:
    """One scene, with what the generator knows about it."""

    image: Image.Image
    category: str
    cue_tokens: tuple[int, ...]
    """Visual tokens that the cue covers: row-major in the padded view, ascending."""
    token_objects: np.ndarray
    """uint8[N], for each visual token the number of the object there (`OBJECTS`), 0 for none."""
    cue_sides: dict[str, int]
    """Side in pixels of each class's cue that the scene has: one, or two of which one is weaker."""


class Canvas:
    """A scene being painted: its pixels, and which object is on top at each of them."""

    def __init__(self, width: int, height: int, rng: np.random.Generator) -> None:
        self.rng = rng
        self.image = _background(width, height, rng)
        self.objects = np.zeros((height, width), np.uint8)
        self._taken: list[tuple[int, int, int]] = []

    def place(self, pictogram: Pictogram, side: int, opacity: float) -> None:
        """Paint a pictogram where it overlaps little with those already there."""
        pen = Pen(side, self.rng)
        pictogram(pen)
        drawing = pen.drawing()
        if self.rng.random() < 0.5:
            drawing = drawing.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        left, top = self._free_corner(side)
        opaque = drawing.getchannel("A").point([round(opacity * level) for level in range(256)])
        self.image.paste(drawing.convert("RGB"), (left, top), opaque)
        covered = np.asarray(drawing.getchannel("A")) > 127
        window = (slice(top, top + side), slice(left, left + side))
        self.objects[window][covered] = OBJECTS.index(pictogram) + 1

    def _free_corner(self, side: int) -> tuple[int, int]:
        """Left and top of the least crowded of a few random places."""
        width, height = self.image.size
        best, least = (0, 0), np.inf
        for _ in range(12):
            left = STEP * int(self.rng.integers(0, (width - side) // STEP + 1))
            top = STEP * int(self.rng.integers(0, (height - side) // STEP + 1))
            overlap = sum(
                max(0, min(left + side, x + s) - max(left, x))
                * max(0, min(top + side, y + s) - max(top, y))
                for x, y, s in self._taken
            )
            if overlap < least:
                best, least = (left, top), overlap
        self._taken.append((*best, side))
        return best

    def scatter(self, count: int) -> None:
        """Strokes and specks over everything."""
        draw = ImageDraw.Draw(self.image)
        width, height = self.image.size
        for _ in range(count):
            x, y = self.rng.integers(0, (width, height)).tolist()
            colour = tuple(self.rng.integers(20, 240, 3).tolist())
            if self.rng.random() < 0.6:
                dx, dy = self.rng.integers(-7, 8, 2).tolist()
                draw.line([(x, y), (x + dx, y + dy)], fill=colour, width=1)
            else:
                size = int(self.rng.integers(1, 3))
                draw.rectangle([x, y, x + size, y + size], fill=colour)


def _background(width: int, height: int, rng: np.random.Generator) -> Image.Image:
    """A sky that fades towards the horizon, and ground; colours independent of the class."""
    sky, horizon, ground = (rng.integers(60, 220, 3).astype(float) for _ in range(3))
    fade = np.linspace(0, 1, height)[:, None]
    rows = sky * (1 - fade) + horizon * fade
    rows[int(height * rng.uniform(0.55, 0.85)) :] = ground
    pixels = np.repeat(rows[:, None, :].round().astype(np.uint8), width, axis=1)
    return Image.fromarray(pixels)


def make_scene(split: str, index: int) -> Scene:
    """Scene `index` of a split; classes take turns, in the order of the options."""
    canvas, cue, sides = _painted(split, index)
    tokens, objects = _by_token(canvas.objects, cue)
    return Scene(canvas.image, next(iter(sides)), tokens, objects, sides)


def cue_map(split: str, index: int) -> np.ndarray:
    """uint8[height, width] of a scene: 255 where its cue is on top, else 0."""
    canvas, cue, _ = _painted(split, index)
    return np.where(canvas.objects == OBJECTS.index(cue) + 1, 255, 0).astype(np.uint8)


def _painted(split: str, index: int) -> tuple[Canvas, Pictogram, dict[str, int]]:
    """A scene's canvas, its cue, and the side of each class's cue, the scene's own first."""
    rng = np.random.default_rng([SPLITS[split], index])
    category = TAXONOMY.names[index % len(TAXONOMY.names)]
    width, height = SHAPES[int(rng.integers(len(SHAPES)))]
    canvas = Canvas(width, height, rng)
    side = int(rng.choice(CUE_SIDES))
    opacity = rng.uniform(*OPACITY)
    cue = _cue_of(category, rng)
    canvas.place(cue, side, opacity)
    sides = {category: side}
    if rng.random() < CONFLICT_SHARE:
        other = str(rng.choice([name for name in TAXONOMY.names if name != category]))
        weaker = max(10, side - int(rng.choice(CONFLICT_STEPS)))
        canvas.place(_cue_of(other, rng), weaker, opacity)
        sides[other] = weaker
    for _ in range(int(rng.integers(*DISTRACTORS_IN_SCENE, endpoint=True))):
        distractor = DISTRACTORS[int(rng.integers(len(DISTRACTORS)))]
        canvas.place(distractor, 4 * int(rng.integers(4, 11)), rng.uniform(0.6, 1.0))
    canvas.scatter(int(rng.integers(*MARKS_IN_SCENE, endpoint=True)))
    return canvas, cue, sides


def _cue_of(category: str, rng: np.random.Generator) -> Pictogram:
    return CUES[category][int(rng.integers(len(CUES[category])))]


def _by_token(on_top: np.ndarray, cue: Pictogram) -> tuple[tuple[int, ...], np.ndarray]:
    """The cue's visual tokens, and the object of each token; no other object is a cue like it."""
    numbers = _token_areas(on_top)  # [N, pixels]
    shares = np.stack([(numbers == n).mean(axis=1) for n in range(1, len(OBJECTS) + 1)])
    objects = np.where(shares.max(axis=0) >= CUE_SHARE, shares.argmax(axis=0) + 1, 0)
    cue_share = shares[OBJECTS.index(cue)]
    enough = min(CUE_SHARE, cue_share.max())  # a small cue across a corner covers little of each
    tokens = np.flatnonzero((cue_share >= enough) & (cue_share > 0)).tolist()
    return tuple(tokens), objects.astype(np.uint8)


def _token_areas(values: np.ndarray) -> np.ndarray:
    """[N, pixels] of an array [height, width] padded to a square as the preprocessing pads."""
    height, width = values.shape
    square = np.zeros((SIDE, SIDE), values.dtype)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    square[top : top + height, left : left + width] = values
    cell = SIDE // GRID
    return square.reshape(GRID, cell, GRID, cell).swapaxes(1, 2).reshape(GRID * GRID, -1)


def write_test_set(folder: Path, per_class: int) -> None:
    """The test scenes below `folder/image`, with `stage_1.jsonl`, `voted.jsonl` and `cues.json`."""
    rows, voted, cues = [], [], {}
    for index in range(per_class * len(TAXONOMY.names)):
        scene = make_scene("test", index)
        name = _name(index)
        path = folder / "image" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        scene.image.save(path, optimize=True)
        rows.append({"question_id": name, "image": name, "category": scene.category})
        voted.append({**rows[-1], "votes": scene.cue_sides})
        cues[name] = scene.cue_tokens
    for file, content in (("stage_1.jsonl", rows), ("voted.jsonl", voted)):
        lines = "".join(json.dumps(row) + "\n" for row in content)
        (folder / file).write_text(lines, encoding="utf-8")
    text = ",\n".join(f" {json.dumps(name)}: {json.dumps(tokens)}" for name, tokens in cues.items())
    (folder / "cues.json").write_text(f"{{\n{text}\n}}\n", encoding="utf-8")


def write_maps(folder: Path, per_class: int) -> None:
    """The cues of the test scenes as grey maps under the images' names."""
    for index in range(per_class * len(TAXONOMY.names)):
        path = folder / _name(index)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(cue_map("test", index)).save(path, optimize=True)


def _name(index: int) -> str:
    """Path of a test scene below its image folder."""
    number, place = divmod(index, len(TAXONOMY.names))
    category = TAXONOMY.names[place]
    return f"{category}/{category}_{number:05d}.png"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the demo's test scenes.")
    parser.add_argument("--output", type=Path, default=Path("data/demo"))
    parser.add_argument("--per-class", type=int, default=40)
    parser.add_argument("--maps", type=Path, help="folder of grey maps to write instead")
    args = parser.parse_args()
    if args.maps:
        write_maps(args.maps, args.per_class)
    else:
        write_test_set(args.output, args.per_class)
