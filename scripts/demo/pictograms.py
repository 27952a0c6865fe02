"""Small drawings, the vocabulary of the demo's scenes: emotional cues and distractors."""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

OVERSAMPLING = 4
"""Drawings are made this many times larger and reduced, so that their edges are smooth."""


class Pen:
    """Draws on a transparent square in unit coordinates: x to the right, y down, both in [0, 1]."""

    def __init__(self, side: int, rng: np.random.Generator) -> None:
        self.rng = rng
        self._scale = side * OVERSAMPLING
        self._image = Image.new("RGBA", (self._scale, self._scale))
        self._draw = ImageDraw.Draw(self._image)

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self._scale, y * self._scale) for x, y in points]

    def _box(self, centre: Point, radius_x: float, radius_y: float) -> list[Point]:
        (x, y) = centre
        return self._pixels([(x - radius_x, y - radius_y), (x + radius_x, y + radius_y)])

    def _thickness(self, width: float) -> int:
        return max(1, round(width * self._scale))

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        self._draw.polygon(self._pixels(points), fill=colour)

    def ellipse(self, centre: Point, radius_x: float, radius_y: float, colour: Colour) -> None:
        self._draw.ellipse(self._box(centre, radius_x, radius_y), fill=colour)

    def disc(self, centre: Point, radius: float, colour: Colour) -> None:
        self.ellipse(centre, radius, radius, colour)

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        pixels = self._pixels(points)
        self._draw.line(pixels, fill=colour, width=self._thickness(width), joint="curve")

    def arc(self, centre: Point, radius: float, degrees: tuple[int, int], width: float,
            colour: Colour) -> None:  # fmt: skip
        """Part of a circle, clockwise from the right-hand side."""
        box = self._box(centre, radius, radius)
        self._draw.arc(box, *degrees, fill=colour, width=self._thickness(width))

    def tint(self, colour: Colour, amount: int = 24) -> Colour:
        """The colour, each channel moved by at most `amount`."""
        moved = np.array(colour) + self.rng.integers(-amount, amount + 1, 3)
        red, green, blue = (int(channel) for channel in np.clip(moved, 0, 255))
        return red, green, blue

    def pick(self, colours: Sequence[Colour]) -> Colour:
        """One of the colours, tinted."""
        return self.tint(colours[int(self.rng.integers(len(colours)))])

    def drawing(self) -> Image.Image:
        """What was drawn, reduced to the side it will have in the scene."""
        return self._image.reduce(OVERSAMPLING)


RED, ORANGE, YELLOW, GREEN = (214, 48, 49), (232, 126, 34), (244, 208, 63), (88, 172, 76)
BLUE, VIOLET, PINK, WHITE = (58, 123, 213), (142, 84, 184), (236, 112, 160), (244, 244, 244)
GREY, DARK, BROWN = (150, 154, 160), (40, 38, 44), (120, 82, 52)
BRIGHT = (RED, ORANGE, YELLOW, BLUE, VIOLET, PINK)


def ring(
    count: int, radius: float, *, turn: float = 0.0, centre: Point = (0.5, 0.5)
) -> list[Point]:
    """Points evenly on a circle, from the top clockwise, turned by `turn` of a step."""
    (x, y), angles = centre, (np.arange(count) + turn) * (2 * np.pi / count)
    return [(float(x + radius * np.sin(a)), float(y - radius * np.cos(a))) for a in angles]


def star(pen: Pen, centre: Point, outer: float, inner: float, count: int, colour: Colour) -> None:
    """A star of `count` points."""
    tips, dents = ring(count, outer, centre=centre), ring(count, inner, turn=0.5, centre=centre)
    pen.polygon([p for pair in zip(tips, dents, strict=True) for p in pair], colour)


def balloon(pen: Pen) -> None:
    colour = pen.pick(BRIGHT)
    pen.line([(0.5, 0.68), (0.44, 0.82), (0.54, 0.98)], 0.05, DARK)
    pen.ellipse((0.5, 0.37), 0.31, 0.36, colour)
    pen.polygon([(0.5, 0.7), (0.42, 0.79), (0.58, 0.79)], colour)
    pen.ellipse((0.4, 0.25), 0.07, 0.1, WHITE)


def hot_air_balloon(pen: Pen) -> None:
    colour = pen.pick(BRIGHT)
    pen.line([(0.3, 0.55), (0.42, 0.84)], 0.04, DARK)
    pen.line([(0.7, 0.55), (0.58, 0.84)], 0.04, DARK)
    pen.ellipse((0.5, 0.37), 0.33, 0.36, colour)
    pen.ellipse((0.5, 0.37), 0.13, 0.36, WHITE)
    pen.polygon([(0.38, 0.82), (0.62, 0.82), (0.6, 0.98), (0.4, 0.98)], pen.tint(BROWN))


def _face(pen: Pen, eyes: float, degrees: tuple[int, int]) -> None:
    """A yellow disc with two arcs as its eyes, at that height."""
    pen.disc((0.5, 0.5), 0.45, pen.tint(YELLOW))
    for x in (0.33, 0.67):
        pen.arc((x, eyes), 0.1, degrees, 0.06, DARK)


def laughing_face(pen: Pen) -> None:
    _face(pen, 0.42, (180, 360))
    mouth = [(0.5 + 0.28 * np.cos(a), 0.54 + 0.28 * np.sin(a)) for a in np.linspace(0, np.pi, 9)]
    pen.polygon(mouth, (130, 30, 36))


def calm_face(pen: Pen) -> None:
    _face(pen, 0.36, (0, 180))
    pen.arc((0.5, 0.5), 0.24, (20, 160), 0.07, DARK)


def crying_face(pen: Pen) -> None:
    _face(pen, 0.36, (0, 180))
    for x in (0.33, 0.67):
        pen.ellipse((x, 0.6), 0.07, 0.14, pen.tint(BLUE, 12))
    pen.arc((0.5, 0.88), 0.18, (200, 340), 0.07, DARK)


def shooting_star(pen: Pen) -> None:
    pen.polygon([(0.04, 0.94), (0.55, 0.2), (0.8, 0.45)], pen.tint((250, 236, 176), 12))
    star(pen, (0.66, 0.34), 0.33, 0.14, 5, pen.tint(YELLOW))


def gold_star(pen: Pen) -> None:
    star(pen, (0.5, 0.52), 0.48, 0.2, 5, pen.tint(YELLOW))


def daisy(pen: Pen) -> None:
    colour = pen.pick((WHITE, PINK, VIOLET))
    pen.line([(0.5, 0.5), (0.5, 0.98)], 0.06, pen.tint(GREEN))
    for point in ring(8, 0.27, centre=(0.5, 0.4)):
        pen.disc(point, 0.12, colour)
    pen.disc((0.5, 0.4), 0.16, pen.tint(YELLOW))


def firework(pen: Pen) -> None:
    colour = pen.pick(BRIGHT)
    for point in ring(10, 0.42):
        pen.line([(0.5, 0.5), point], 0.05, colour)
        pen.disc(point, 0.07, colour)
    pen.disc((0.5, 0.5), 0.1, WHITE)


def explosion(pen: Pen) -> None:
    star(pen, (0.5, 0.5), 0.49, 0.26, 10, pen.tint(RED))
    star(pen, (0.5, 0.5), 0.28, 0.14, 10, pen.tint(ORANGE))


def flame(pen: Pen) -> None:
    outline = [(0.5, 0.02), (0.66, 0.3), (0.84, 0.6), (0.72, 0.9), (0.5, 0.98), (0.28, 0.9),
               (0.16, 0.6), (0.3, 0.46), (0.36, 0.28)]  # fmt: skip
    pen.polygon(outline, pen.tint(ORANGE))
    pen.ellipse((0.5, 0.76), 0.15, 0.2, pen.tint(YELLOW))


def slime(pen: Pen) -> None:
    colour = pen.tint((130, 176, 40))
    pen.ellipse((0.5, 0.34), 0.44, 0.3, colour)
    for x, length in ((0.2, 0.3), (0.45, 0.52), (0.7, 0.38)):
        pen.ellipse((x, 0.42 + length / 2), 0.1, length / 2 + 0.05, colour)
    pen.disc((0.62, 0.28), 0.08, pen.tint((190, 214, 90), 12))


def fly(pen: Pen) -> None:
    wing = pen.tint((206, 218, 226), 12)
    pen.ellipse((0.22, 0.42), 0.2, 0.13, wing)
    pen.ellipse((0.78, 0.42), 0.2, 0.13, wing)
    pen.ellipse((0.5, 0.58), 0.17, 0.32, pen.tint(DARK, 14))
    for x in (0.4, 0.6):
        pen.disc((x, 0.24), 0.1, pen.tint(RED))


def spider(pen: Pen) -> None:
    colour = pen.tint(DARK, 14)
    for side in (-1, 1):
        for y in (0.1, 0.38, 0.72, 0.96):
            knee = (0.5 + side * 0.32, (y + 0.5) / 2 - 0.06)
            pen.line([(0.5, 0.52), knee, (0.5 + side * 0.47, y)], 0.05, colour)
    pen.disc((0.5, 0.58), 0.22, colour)
    pen.disc((0.5, 0.32), 0.13, colour)


def ghost(pen: Pen) -> None:
    colour = pen.tint((222, 226, 232), 12)
    pen.disc((0.5, 0.4), 0.36, colour)
    pen.polygon([(0.14, 0.4), (0.86, 0.4), (0.86, 0.96), (0.68, 0.84), (0.5, 0.96), (0.32, 0.84),
                 (0.14, 0.96)], colour)  # fmt: skip
    for x in (0.37, 0.63):
        pen.ellipse((x, 0.4), 0.08, 0.12, DARK)


def _cloud(pen: Pen, centre_y: float, colour: Colour) -> None:
    for x, y, radius in ((0.27, 0.05, 0.2), (0.52, -0.06, 0.26), (0.76, 0.06, 0.19)):
        pen.disc((x, centre_y + y), radius, colour)


def rain_cloud(pen: Pen) -> None:
    for x in (0.26, 0.5, 0.74):
        pen.line([(x, 0.6), (x - 0.08, 0.96)], 0.08, pen.tint(BLUE, 12))
    _cloud(pen, 0.36, pen.tint((176, 182, 192), 16))


def white_cloud(pen: Pen) -> None:
    _cloud(pen, 0.5, pen.tint((226, 230, 236), 12))


def house(pen: Pen) -> None:
    pen.polygon([(0.14, 0.46), (0.86, 0.46), (0.86, 0.98), (0.14, 0.98)], pen.pick((WHITE, GREY)))
    pen.polygon([(0.04, 0.48), (0.5, 0.06), (0.96, 0.48)], pen.pick((RED, BROWN)))
    pen.polygon([(0.42, 0.66), (0.6, 0.66), (0.6, 0.98), (0.42, 0.98)], DARK)


def tree(pen: Pen) -> None:
    pen.polygon([(0.43, 0.6), (0.57, 0.6), (0.57, 0.98), (0.43, 0.98)], pen.tint(BROWN))
    pen.disc((0.5, 0.36), 0.34, pen.tint((70, 130, 62)))


def rock(pen: Pen) -> None:
    outline = [(0.06, 0.92), (0.18, 0.5), (0.44, 0.3), (0.74, 0.42), (0.94, 0.92)]
    pen.polygon(outline, pen.tint(GREY))


def ball(pen: Pen) -> None:
    pen.disc((0.5, 0.5), 0.42, pen.pick(BRIGHT))
    pen.line([(0.12, 0.5), (0.88, 0.5)], 0.1, WHITE)


def crate(pen: Pen) -> None:
    pen.polygon([(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)], pen.tint((176, 132, 84)))
    pen.line([(0.14, 0.14), (0.86, 0.86)], 0.07, BROWN)
    pen.line([(0.14, 0.86), (0.86, 0.14)], 0.07, BROWN)


def road_sign(pen: Pen) -> None:
    pen.line([(0.5, 0.5), (0.5, 0.98)], 0.07, GREY)
    pen.disc((0.5, 0.34), 0.3, pen.pick((YELLOW, BLUE, WHITE)))


def twigs(pen: Pen) -> None:
    for point in ring(5, 0.45, turn=float(pen.rng.random())):
        pen.line([(0.5, 0.55), point], 0.05, pen.pick((BROWN, DARK)))


Pictogram = Callable[[Pen], None]

CUES: dict[str, tuple[Pictogram, Pictogram]] = {
    "amusement": (balloon, laughing_face),
    "awe": (hot_air_balloon, shooting_star),
    "contentment": (daisy, calm_face),
    "excitement": (firework, gold_star),
    "anger": (flame, explosion),
    "disgust": (slime, fly),
    "fear": (spider, ghost),
    "sadness": (rain_cloud, crying_face),
}
"""Emotion class -> the two pictograms that make a scene belong to it."""

DISTRACTORS: tuple[Pictogram, ...] = (
    house, tree, rock, ball, crate, road_sign, twigs, white_cloud,
)  # fmt: skip
"""Pictograms that say nothing about the class."""
