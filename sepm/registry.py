"""Every method by name (the rows of Tables 1-3), and a run: a method with its settings."""

import operator
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Protocol

from sepm.baselines.single_query import single_query, sparsevlm
from sepm.baselines.sparsevlm_settings import check_sparsevlm
from sepm.errors import InputError, RunError, require_known
from sepm.method.algorithm import SCORED_BY_PHRASE, SCORED_BY_QUERY, coarse_to_fine
from sepm.method.config import DEFAULT_PRESET, PRESETS, MethodConfig
from sepm.method.dialogue import Dialogue, Sample
from sepm.method.dropping import num_dropped
from sepm.method.taxonomy import Taxonomy
from sepm.models.protocol import CLS_ATTENTION, FEATURES, PREFIX_SHARING, ModelFacts
from sepm.token_dropping.selectors import dropped_tokens


class Recipe(Protocol):
    """Function from an image's sample to the dialogue that decides its class."""

    def __call__(self, sample: Sample, taxonomy: Taxonomy, config: MethodConfig) -> Dialogue: ...


@dataclass(frozen=True)
class Method:
    """A recipe, the settings that it reads, and its demands on settings and model."""

    what: str
    """The method in a line."""
    recipe: Recipe
    reads: frozenset[str]
    """All settings that make a difference to it, over every branch, drop kind and answer."""
    check: Callable[[MethodConfig, ModelFacts | None], None] = lambda config, model: None
    """Raises `InputError` where it cannot run with such settings, or on such a model."""
    only_with: Mapping[str, tuple[str, tuple[str, ...]]] = field(
        default_factory=dict[str, tuple[str, tuple[str, ...]]]
    )
    """Settings that make a difference only where another one has one of some values."""

    def condition(self, setting: str, config: MethodConfig) -> str:
        """Options without which a setting makes no difference and that a configuration lacks."""
        if setting not in self.only_with:
            return ""
        other, values = self.only_with[setting]
        option = f"--{other.replace('_', '-')} {' or '.join(values)}"
        return "" if getattr(config, other) in values else option


def check_dropping(config: MethodConfig, model: ModelFacts | None) -> None:
    """Raise `InputError` where a model lacks what the way of dropping visual tokens needs."""
    needs = {
        "--image-pass once": PREFIX_SHARING if config.image_pass == "once" else None,
        f"--drop {config.drop}": {"cls": CLS_ATTENTION, "divprune": FEATURES}.get(config.drop),
    }
    for option, capability in needs.items():
        if model and capability and capability not in model.capabilities:
            raise InputError(
                f"{option} needs {capability}, which {model.name} ({model.description}) does not "
                "offer here"
            )


WORDING = frozenset({"fine_question", "fine_answer"})
ONE_QUERY = WORDING | {"rotations"}
COARSE = frozenset({"alpha", "variance", "ambiguous_when", "coarse_query", "phrase", "letters"})
"""The phrase too: it is taken off the question file's text where that begins with it."""
DROPPING = frozenset({"beta", "foe_tokens", "drop", "seed", "image_pass"})
GATE = {"alpha": ("ambiguous_when", ("at-most", "below"))}
SPARSEVLM = frozenset({"retain", "sparsevlm_version", "sparsevlm_layers"})

METHODS: dict[str, Method] = {
    "zero-shot": Method("one query with all classes", single_query, ONE_QUERY),
    "zero-shot-cot": Method(
        "one query with all classes, answered step by step",
        partial(single_query, chain_of_thought=True),
        ONE_QUERY - {"fine_answer"},
    ),
    "sparsevlm": Method(
        "zero-shot with visual tokens reduced in the decoder layers (SparseVLM)",
        sparsevlm,
        ONE_QUERY | SPARSEVLM,
        check_sparsevlm,
    ),
    "fp": Method(
        "zero-shot behind the Focus-on-Emotion phrase",
        partial(single_query, phrase=True),
        ONE_QUERY | {"phrase"},
    ),
    "cci": Method(
        "positive or negative first, then the classes of that half, or all where the first answer "
        "is ambiguous",
        partial(coarse_to_fine, phrase=False),
        WORDING | COARSE,
        only_with=GATE | {"phrase": ("coarse_query", ("file",))},
    ),
    "cci+fp": Method(
        "cci with the Focus-on-Emotion phrase before both queries",
        partial(coarse_to_fine, phrase=True),
        WORDING | COARSE | {"fine_phrase"},
        only_with=GATE,
    ),
    "sepm": Method(
        "cci+fp, whose second query sees the image without its least emotional visual tokens (VTA)",
        partial(coarse_to_fine, phrase=True, select=dropped_tokens),
        WORDING | COARSE | DROPPING | {"fine_phrase"},
        check_dropping,
        GATE | {"foe_tokens": ("drop", SCORED_BY_PHRASE), "seed": ("drop", ("random",))},
    ),
}

NAMED_SETTINGS = {
    "letters": "letters-{}",
    "rotations": "rotations{}",
    "drop": "drop-{}",
    "alpha": "alpha{:.12g}",
    "beta": "beta{:.12g}",
    "seed": "seed{}",
    "image_pass": "image-pass-{}",
    "sparsevlm_version": "v{}",
    "retain": "retain{}",
    "sparsevlm_layers": "layers{}",
}
"""Settings that stand in the folder's name where they differ from the preset's."""


def get_method(name: str) -> Method:
    """The method of that name.

    Raises:
        InputError: no such method.
    """
    require_known("method", name, METHODS)
    return METHODS[name]


def get_preset(name: str) -> MethodConfig:
    """The preset of that name.

    Raises:
        InputError: no such preset.
    """
    require_known("preset", name, PRESETS)
    return PRESETS[name]


@dataclass(frozen=True)
class MethodRun:
    """A method with its settings: one output folder holds one run.

    Settings that the method does not read are put back to the preset's, so that they make no
    difference.

    Raises:
        InputError: no such method or preset, or settings that the method cannot run with.
    """

    method: str
    config: MethodConfig
    preset: str = DEFAULT_PRESET

    def __post_init__(self) -> None:
        method, preset = get_method(self.method), get_preset(self.preset)
        unread = {setting.name for setting in fields(MethodConfig)} - method.reads
        config = replace(self.config, **{name: getattr(preset, name) for name in unread})
        method.check(config, None)
        object.__setattr__(self, "config", config)

    def reads(self, setting: str) -> bool:
        """Whether a setting makes a difference to the method, whatever the others are."""
        return setting in METHODS[self.method].reads

    def condition(self, setting: str) -> str:
        """Options that the run lacks for a setting that it reads to make a difference."""
        return METHODS[self.method].condition(setting, self.config)

    def unchecked_dialogue(self, sample: Sample, taxonomy: Taxonomy) -> Dialogue:
        """The dialogue about a sample whose number of visual tokens is made up, for its queries."""
        return METHODS[self.method].recipe(sample, taxonomy, self.config)

    def dialogue(self, sample: Sample, taxonomy: Taxonomy) -> Dialogue:
        """The dialogue that decides a sample's class.

        Raises:
            RunError: on the way, where it drops visual tokens otherwise than records may hold.
        """
        dialogue = self.unchecked_dialogue(sample, taxonomy)
        num_tokens = sample.num_visual_tokens
        ask = next(dialogue)
        while True:
            self._check_indices(ask.dropped, num_tokens)
            self._check_indices(ask.hidden, num_tokens)
            reply = yield ask
            try:
                ask = dialogue.send(reply)
            except StopIteration as stop:
                self._check_number(stop.value.dropped, num_tokens)
                return stop.value

    def _check_indices(self, dropped: Sequence[int], num_tokens: int) -> None:
        """Raise `RunError` unless they are a tuple of visual tokens' indices, ascending."""
        if not _ascending_below(num_tokens, dropped):
            raise RunError(
                f"{self._dropping}: the dropped visual tokens must be a tuple of indices (int) "
                f"from 0 to {num_tokens - 1}, ascending, each once; got {reprlib.repr(dropped)}"
            )

    def _check_number(self, dropped: tuple[int, ...], num_tokens: int) -> None:
        """Raise `RunError` unless an outcome's dropped tokens are floor(β × N) (Eq. 9)."""
        self._check_indices(dropped, num_tokens)
        due = num_dropped(self.config.beta, num_tokens) if self.reads("beta") else 0
        if len(dropped) != due:
            reason = f"β = {self.config.beta}" if self.reads("beta") else "it does not read `beta`"
            raise RunError(
                f"{self._dropping}: {due} of {num_tokens} visual tokens must be "
                f"dropped ({reason}), got {len(dropped)}"
            )

    @property
    def _dropping(self) -> str:
        """What drops visual tokens, for messages."""
        return f"{self.method} --drop {self.config.drop}" if self.reads("drop") else self.method

    def require_model(self, model: ModelFacts) -> None:
        """Raise `InputError` where the run is not possible on a model."""
        METHODS[self.method].check(self.config, model)

    @property
    def asks_behind_one_image(self) -> bool:
        """Whether several asks in turn, known beforehand, run behind one prefill of the image."""
        return self.config.image_pass == "once" or self.config.rotations > 1

    @property
    def has_scores(self) -> bool:
        """Whether visual tokens are dropped by scores, which the records can keep."""
        return self.reads("drop") and self.config.drop in SCORED_BY_PHRASE + SCORED_BY_QUERY

    @property
    def folder_name(self) -> str:
        """`<method>[-…]`, naming what differs from the defaults."""
        chosen = PRESETS[self.preset]
        parts = [self.method] if self.preset == DEFAULT_PRESET else [self.method, self.preset]
        parts += [
            template.format(_joined(getattr(self.config, name)))
            for name, template in NAMED_SETTINGS.items()
            if getattr(self.config, name) != getattr(chosen, name)
        ]
        return "-".join(parts)


def _ascending_below(count: int, indices: Sequence[int]) -> bool:
    """Whether they are a tuple of ints from 0 to count - 1, ascending, each once.

    numpy's integers are none: they equal an int, and no JSON can hold them.
    """
    return (
        isinstance(indices, tuple)
        and {*map(type, indices)} <= {int}
        and all(map(operator.lt, (-1, *indices), (*indices, count)))
    )


def without_effect(runs: Sequence[MethodRun], settings: Iterable[str]) -> Iterator[str]:
    """Notes on settings that were given and make no difference to any of the runs."""
    for name in settings:
        lacking = {run.condition(name) for run in runs if run.reads(name)}
        if "" not in lacking:
            yield (
                f"--{name.replace('_', '-')} makes no difference to "
                f"{', '.join(run.method for run in runs)}"
                + "".join(f" without {options}" for options in sorted(lacking))
            )


def _joined(setting: str | float | tuple[int, ...]) -> str | float:
    """A setting as a folder's name shows it: several numbers joined, one as it is."""
    return "-".join(map(str, setting)) if isinstance(setting, tuple) else setting
