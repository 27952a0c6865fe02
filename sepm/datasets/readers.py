"""Readers of the data sets that question files are made from, by task name."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature

from sepm.datasets.abstract_paintings import read_abstract
from sepm.datasets.artphoto import read_artphoto
from sepm.datasets.emoset import read_emoset
from sepm.datasets.emotion6 import read_emotion6
from sepm.datasets.folder import read_folder
from sepm.datasets.hub import read_hub
from sepm.datasets.reader_parts import Reading
from sepm.datasets.webemo import read_webemo

Option = str | tuple[str, ...] | None


@dataclass(frozen=True)
class Reader:
    """Function that reads a data set, and the n that the paper's decimals imply."""

    read: Callable[..., Reading]
    """Takes root and taxonomy, and its options by name."""
    any_task: bool = False
    """Whether its labels are of a taxonomy that the user gives (`--taxonomy`)."""
    paper_n: int | None = None
    """The n that every accuracy in Tables 1-3 fits as a two-decimal k/n; it proves nothing."""
    paper_n_at_least: int | None = None
    """Smallest of many n that fit; all below are excluded."""

    @property
    def options(self) -> dict[str, Option]:
        """Options that it knows, with their defaults, which are the function's own."""
        parameters = signature(self.read).parameters.values()
        own = {p.name: p.default for p in parameters if p.kind == p.KEYWORD_ONLY}
        return {"taxonomy": None, **own} if self.any_task else own


READERS: dict[str, Reader] = {
    "emoset": Reader(read_emoset, paper_n=17_716),
    "emotion6": Reader(read_emotion6, paper_n=594),
    "webemo7": Reader(read_webemo, paper_n_at_least=3_885),
    "webemo25": Reader(read_webemo, paper_n_at_least=5_218),
    "abstract": Reader(read_abstract, paper_n=280),
    "webemo2": Reader(read_webemo),
    "artphoto": Reader(read_artphoto),
    "fi": Reader(read_folder),
    "polarity": Reader(read_folder),
    "folder": Reader(read_folder, any_task=True),
    "hub": Reader(read_hub, any_task=True),
}
