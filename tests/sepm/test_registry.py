"""Methods and runs: what each reads, and the names of their folders."""

from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import product
from types import SimpleNamespace
from typing import Any, cast, get_args, get_type_hints

import numpy as np
import pytest
import torch

from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError, RunError
from sepm.inference.unbatched import run_dialogue
from sepm.method.algorithm import scoring_span
from sepm.method.answers import fine_key
from sepm.method.config import PRESETS, Drop, MethodConfig
from sepm.method.dialogue import Ask, Outcome, Reply, Sample
from sepm.method.prompts import FOE_PHRASE, Query
from sepm.registry import METHODS, Method, MethodRun

EMOSET = load_taxonomy("emoset")


class Recording:
    """A configuration that notes which of its settings are read."""

    def __init__(self, config: MethodConfig) -> None:
        self._config = config
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return getattr(self._config, name)


def configurations() -> Iterator[MethodConfig]:
    """Every drop kind, either coarse query, with and without a second phrase."""
    for drop, query, phrase in product(get_args(Drop), ("taxonomy", "file"), (None, "Feel it.")):
        yield replace(MethodConfig(), beta=0.5, drop=drop, coarse_query=query, fine_phrase=phrase)


REPLIES = [
    Reply(letter, letter or "", dict.fromkeys("ABCDEFGH", 0.1) | {"A": p_a}, (0.5, 0.1, 0.2))
    for letter, p_a in (("A", 0.9), ("B", 0.1), (None, 0.9), (None, 0.1))
]


IMAGE = SimpleNamespace(features=torch.eye(3), cls_attention=torch.tensor([0.1, 0.2, 0.3]))


def settings_read_by(method: str) -> set[str]:
    """Settings that a recipe reads over all configurations, replies and texts."""
    read = set[str]()
    for config, reply, text in product(configurations(), REPLIES, (None, f"{FOE_PHRASE} Which?")):
        recording = Recording(config)
        dialogue = METHODS[method].recipe(
            Sample("a", 3, text, IMAGE), EMOSET, cast("MethodConfig", recording)
        )
        run_dialogue(dialogue, lambda ask, reply=reply: reply)
        read |= recording.read
    return read


@pytest.mark.parametrize("method", METHODS)
def test_a_method_says_what_its_recipe_reads(method: str) -> None:
    assert METHODS[method].reads == settings_read_by(method)


ELSE: dict[str, Any] = {
    "alpha": 0.2,
    "phrase": "Feel it.",
    "foe_tokens": "all-but-first-token",
    "seed": 5,
}
"""Another value than the default's of the settings that need another one."""


def decisions(method: str, config: MethodConfig) -> list[Any]:
    """Everything that a method asks and decides, over all replies and texts."""
    done: list[Any] = []
    for reply, text in product(REPLIES, (None, "Feel it. Which?")):
        dialogue = MethodRun(method, config).dialogue(Sample("a", 3, text, IMAGE), EMOSET)
        done.append(next(dialogue))
        try:
            done.append(dialogue.send(reply))
            dialogue.send(reply)
        except StopIteration as finished:
            done.append(finished.value)
    return done


@pytest.mark.parametrize(
    ("method", "setting"),
    [(name, setting) for name, method in METHODS.items() for setting in method.only_with],
)
def test_a_setting_that_needs_another_makes_a_difference_with_it_and_none_without(
    method: str, setting: str
) -> None:
    other, _ = METHODS[method].only_with[setting]
    for value in get_args(get_type_hints(MethodConfig)[other]):
        config = MethodConfig(**{other: value, "beta": 0.5})
        changed = replace(config, **{setting: ELSE[setting]})
        told = MethodRun(method, config).condition(setting)
        assert (decisions(method, config) == decisions(method, changed)) == bool(told)
        assert not told or told.startswith(f"--{other.replace('_', '-')} ")


def test_every_setting_is_read_by_a_method() -> None:
    assert {field.name for field in fields(MethodConfig)} == set().union(
        *(method.reads for method in METHODS.values())
    )


def test_cci_takes_a_phrase_of_ones_own_off_the_question_files_text() -> None:
    config = MethodConfig(coarse_query="file", phrase="Feel the mood.")
    run = MethodRun("cci", config)
    ask = next(run.dialogue(Sample("a", 3, "Feel the mood. Which is it?"), EMOSET))
    assert ask.query.text == "Which is it?"


def test_settings_that_a_method_does_not_read_are_the_presets() -> None:
    assert MethodRun("fp", MethodConfig(alpha=0.2, phrase="Look.")).config == MethodConfig(
        phrase="Look."
    )


def test_settings_of_sparsevlm_are_refused_when_it_is_asked_for_and_not_otherwise() -> None:
    config = MethodConfig(retain=100)
    assert MethodRun("sepm", config).config == MethodConfig()
    with pytest.raises(InputError, match="retain must be one of 192"):
        MethodRun("sparsevlm", config)


@pytest.mark.parametrize(
    ("method", "settings", "name"),
    [
        ("sepm", {}, "sepm"),
        ("sepm", {"beta": 0.5}, "sepm-beta0.5"),
        ("sepm", {"drop": "random", "seed": 3}, "sepm-drop-random-seed3"),
        ("cci", {"alpha": 0.05}, "cci-alpha0.05"),
        ("sparsevlm", {"retain": 64}, "sparsevlm-retain64"),
        ("sparsevlm", {"sparsevlm_version": "1", "retain": 128}, "sparsevlm-v1-retain128"),
        ("sparsevlm", {"sparsevlm_layers": (0, 1, 2)}, "sparsevlm-layers0-1-2"),
        ("zero-shot", {"alpha": 0.05, "beta": 0.5, "retain": 64}, "zero-shot"),
    ],
)
def test_a_folder_is_named_after_what_differs_from_the_preset(
    method: str, settings: dict[str, Any], name: str
) -> None:
    assert MethodRun(method, MethodConfig(**settings)).folder_name == name


def test_another_preset_stands_in_the_name_and_its_own_settings_do_not() -> None:
    assert MethodRun("sepm", PRESETS["released"], "released").folder_name == "sepm-released"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("spem", "paper"), "unknown method 'spem'; did you mean 'sepm'"),
        (("sepm", "papr"), "unknown preset 'papr'; did you mean 'paper'"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(names: tuple[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        MethodRun(names[0], MethodConfig(), names[1])


def dropping(*dropped: Any, hidden: bool = False) -> Any:
    """A recipe that asks without the tokens given, and says that it did."""

    def recipe(sample: Sample, taxonomy: Any, config: MethodConfig) -> Any:
        indices: Any = dropped[0] if dropped and isinstance(dropped[0], list) else dropped
        ask = Ask(Query("Which?"), taxonomy.option_letters, fine_key(taxonomy.classes))
        reply = yield replace(ask, **{"hidden" if hidden else "dropped": indices})
        return Outcome(ask.query, reply, ask.options, dropped=indices)

    return recipe


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize(
    ("dropped", "reads", "said"),
    [
        ((3, 1), {"beta"}, r"own: .* a tuple of indices .*from 0 to 9, ascending.*got \(3, 1\)"),
        ((1, 1), {"beta"}, r"each once; got \(1, 1\)"),
        ((9, 10), {"beta"}, r"from 0 to 9, .*got \(9, 10\)"),
        ((-1, 2), {"beta"}, r"got \(-1, 2\)"),
        (([1, 2],), {"beta"}, r"a tuple .*got \[1, 2\]"),
        (tuple(np.arange(2)), {"beta"}, r"indices \(int\) .*int64"),
        ((1.0, 2.0), {"beta"}, r"got \(1\.0, 2\.0\)"),
        ((False, True), {"beta"}, r"got \(False, True\)"),
        (({}, 1), {"beta"}, r"got \(\{\}, 1\)"),
        (tuple(range(11)), {"beta"}, r"got \(0, 1, 2, 3, 4, 5, \.\.\.\)$"),
        ((1, 2, 3), {"beta"}, r"own: 2 of 10 visual tokens must be dropped \(β = 0.2\), got 3"),
        ((1, 2, 3), {"beta", "drop"}, r"own --drop foe: 2 of 10 .* got 3"),
        ((), {"beta"}, "got 0"),
        ((1, 2), set(), r"0 of 10 .*\(it does not read `beta`\), got 2"),
    ],
)
def test_a_method_of_ones_own_that_drops_what_records_cannot_hold_is_told_so_at_once(
    monkeypatch: pytest.MonkeyPatch, dropped: Any, reads: set[str], said: str, hidden: bool
) -> None:
    own = Method("own", dropping(*dropped, hidden=hidden), frozenset(reads))
    monkeypatch.setitem(METHODS, "own", own)
    dialogue = MethodRun("own", MethodConfig(beta=0.2)).dialogue(Sample("a", 10), EMOSET)
    with pytest.raises(RunError, match=said):
        run_dialogue(dialogue, lambda ask: REPLIES[0])


def test_scores_are_kept_of_every_kind_of_dropping_that_is_scored() -> None:
    kinds = get_args(Drop)
    scored = {kind for kind in kinds if MethodRun("sepm", MethodConfig(drop=kind)).has_scores}
    query = Query("Which?", FOE_PHRASE)
    assert scored == {kind for kind in kinds if scoring_span(query, MethodConfig(drop=kind))}
