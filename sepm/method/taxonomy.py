"""The emotion classes of one task: names, words, letters and polarity, in one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

Polarity = Literal["positive", "negative"]
POLARITIES: tuple[Polarity, Polarity] = ("positive", "negative")


def no_class(word: str, names: Iterable[str]) -> str:
    """A word for what is none of the classes, in brackets where a class bears it."""
    taken = {name.lower() for name in names}
    while word in taken:
        word = f"({word})"
    return word


@dataclass(frozen=True)
class EmotionClass:
    """One emotion class and what stands for it in a prompt."""

    name: str
    """Class name as data sets and the coarse query write it: "contentment"."""
    option_text: str
    """Word that an option shows: "Content"."""
    option_letter: str
    """Letter of the option: in a taxonomy that of the full list, "D", which every fine query keeps
    unless letters are renumbered."""
    polarity: Polarity
    """Whether the class belongs to PEC or to NEC (section 3.2)."""


def option_letter(place: int) -> str:
    """The letter of an option by its place in a list, from 0."""
    return chr(ord("A") + place)


def renumbered(classes: Iterable[EmotionClass]) -> tuple[EmotionClass, ...]:
    """The classes with the letters A, B, C, … in this order."""
    return tuple(replace(c, option_letter=option_letter(i)) for i, c in enumerate(classes))


@dataclass(frozen=True)
class Taxonomy:
    """The classes of one task, in the order of its options.

    Raises:
        ValueError: letters are not A, B, C, … in order; a name or word stands twice; a polarity
            has no class.
    """

    name: str
    title: str
    classes: tuple[EmotionClass, ...]

    def __post_init__(self) -> None:
        expected = [option_letter(i) for i in range(len(self.classes))]
        if [c.option_letter for c in self.classes] != expected:
            raise ValueError(f"taxonomy {self.name}: option letters must be {' '.join(expected)}")
        for attribute in ("name", "option_text"):
            values = [getattr(c, attribute).lower() for c in self.classes]
            for value in values:
                if values.count(value) > 1:
                    raise ValueError(f"taxonomy {self.name}: {attribute} '{value}' stands twice")
        for polarity in POLARITIES:
            if not self.of_polarity(polarity):
                raise ValueError(f"taxonomy {self.name}: no {polarity} class")

    def of_polarity(self, polarity: Polarity) -> tuple[EmotionClass, ...]:
        """Positive (PEC) or negative (NEC) emotion categories, in the order of the options."""
        return tuple(c for c in self.classes if c.polarity == polarity)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in the order of the options."""
        return tuple(c.name for c in self.classes)

    @property
    def option_letters(self) -> tuple[str, ...]:
        """Letters of all options."""
        return tuple(c.option_letter for c in self.classes)

    def by_name(self, name: str) -> EmotionClass:
        """The class of that name.

        Raises:
            KeyError: no such class.
        """
        return {c.name: c for c in self.classes}[name]
