"""Readers of the data sets that question files are made from, by task name."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

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
    """Takes root, taxonomy and the options below, by name."""
    options: dict[str, Option]
    """Options that it knows, with their defaults."""
    paper_n: int | None = None
    """The n that every accuracy in Tables 1-3 fits as a two-decimal k/n; it proves nothing."""
    paper_n_at_least: int | None = None
    """Smallest of many n that fit; all below are excluded."""


READERS: dict[str, Reader] = {
    "emoset": Reader(read_emoset, {"split": "test"}, paper_n=17_716),
    "emotion6": Reader(
        read_emotion6, {"split": None, "label": "folder", "ties": None}, paper_n=594
    ),
    "webemo7": Reader(
        partial(read_webemo, level="middle"), {"split": "test"}, paper_n_at_least=3_885
    ),
    "webemo25": Reader(
        partial(read_webemo, level="fine"), {"split": "test"}, paper_n_at_least=5_218
    ),
    "abstract": Reader(read_abstract, {"ties": "first"}, paper_n=280),
    "webemo2": Reader(partial(read_webemo, level="sign"), {"split": "test"}),
    "artphoto": Reader(read_artphoto, {}),
    "fi": Reader(read_folder, {}),
    "polarity": Reader(read_folder, {}),
    "folder": Reader(read_folder, {"taxonomy": None}),
    "hub": Reader(
        read_hub,
        {
            **{"taxonomy": None, "repo": None, "revision": None, "parquet": None, "split": None},
            **{"image_column": "image", "label_column": "label", "label_names": ()},
            "match_folder": None,
        },
    ),
}
