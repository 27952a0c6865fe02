"""Algorithm 1: confidence-guided coarse-to-fine inference, with or without its parts (Table 3)."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from sepm.method.answers import COARSE_KEY, fine_key
from sepm.method.confidence import Branch, choose_branch, confidence, is_ambiguous
from sepm.method.config import Drop, MethodConfig
from sepm.method.dialogue import Ask, CoarseResult, Dialogue, Outcome, Reply, Sample
from sepm.method.dropping import highest_scored, lowest_scored, randomly_drawn
from sepm.method.prompts import Query, Span, coarse_body, fine_body, foe_span, without_phrase
from sepm.method.taxonomy import EmotionClass, Taxonomy, renumbered

Selector = Callable[[Sample, Reply, MethodConfig], tuple[int, ...]]
"""Function that chooses R, the visual tokens to drop, ascending, once the coarse reply is there."""

SCORED_BY_PHRASE: tuple[Drop, ...] = ("foe", "highest")
"""Kinds of dropping that read the scores of the phrase's tokens."""
SCORED_BY_QUERY: tuple[Drop, ...] = ("query",)
"""Kinds of dropping that read the scores of the whole query's tokens."""


def coarse_to_fine(
    sample: Sample,
    taxonomy: Taxonomy,
    config: MethodConfig,
    *,
    phrase: bool,
    select: Selector | None = None,
) -> Dialogue:
    """SEPM on one image (Algorithm 1): CCI, with the phrase (FP) and dropping (VTA) as asked.

    Args:
        sample: the image.
        config: thresholds, wording, strategies.
        phrase: put the Focus-on-Emotion phrase before both queries.
        select: chooses the visual tokens to drop before the fine stage; FoE scores need the phrase.
            None: none is dropped.
    """
    query = coarse_query(sample, taxonomy, config, phrase=phrase)
    coarse = yield Ask(
        query=query,
        options=COARSE_KEY.letters,
        key=COARSE_KEY,
        scored_by=scoring_span(query, config) if select else None,
    )
    verdict = assess(query, coarse, config)
    dropped = select(sample, coarse, config) if select else ()
    classes = fine_classes(verdict.branch, taxonomy, config)
    fine = fine_query(verdict.branch, classes, config, phrase=phrase)
    offered = tuple(c.option_letter for c in classes)
    own = classes if config.letters == "renumbered" else None
    ask = Ask(fine, offered, fine_key(own or taxonomy.classes))
    reply = yield without_tokens(ask, dropped, config) if select else ask
    return Outcome(fine, reply, offered, verdict, dropped, renumbered=own)


def coarse_query(
    sample: Sample, taxonomy: Taxonomy, config: MethodConfig, *, phrase: bool
) -> Query:
    """Q_c: from the taxonomy, or the question file's text (from the taxonomy where it has none)."""
    if config.coarse_query == "file" and sample.text is not None:
        body, _ = without_phrase(sample.text, config.phrase)
    else:
        body = coarse_body(taxonomy)
    return Query(body, config.phrase if phrase else None)


def scoring_span(query: Query, config: MethodConfig) -> Span | None:
    """The tokens of Q_c that score the image: the phrase's, or all ("query", Table 2)."""
    if config.drop in SCORED_BY_PHRASE:
        return foe_span(query, config.foe_tokens)
    return Span(0, len(query.text)) if config.drop in SCORED_BY_QUERY else None


def without_tokens(ask: Ask, dropped: tuple[int, ...], config: MethodConfig) -> Ask:
    """Q_f over the image without R: left out of it (Eq. 10), or hidden behind one image pass."""
    return replace(ask, **{"hidden" if config.image_pass == "once" else "dropped": dropped})


def assess(query: Query, coarse: Reply, config: MethodConfig) -> CoarseResult:
    """The coarse answer, how far it is to be trusted, and the branch that follows (Eq. 3, 4)."""
    p_a, p_b = coarse.probs["A"], coarse.probs["B"]
    value = confidence(p_a, p_b, config.variance)
    ambiguous = is_ambiguous(value, config.alpha, config.ambiguous_when)
    branch = choose_branch(coarse.letter, p_a, p_b, ambiguous=ambiguous)
    return CoarseResult(query, coarse, value, branch)


def least_significant(sample: Sample, coarse: Reply, config: MethodConfig) -> tuple[int, ...]:
    """R of Eq. 9, by the scores of the phrase, or of the whole query."""
    return lowest_scored(_scores(coarse), config.beta)


def most_significant(sample: Sample, coarse: Reply, config: MethodConfig) -> tuple[int, ...]:
    """The control: as many tokens, of the highest scores."""
    return highest_scored(_scores(coarse), config.beta)


def by_chance(sample: Sample, coarse: Reply, config: MethodConfig) -> tuple[int, ...]:
    """As many tokens, drawn by chance (Table 2, "Random")."""
    return randomly_drawn(sample.num_visual_tokens, config.beta, config.seed, sample.question_id)


SELECTORS: dict[Drop, Selector] = {
    "foe": least_significant,
    "query": least_significant,
    "highest": most_significant,
    "random": by_chance,
}
"""The paper's kinds of dropping, and the control."""


def _scores(coarse: Reply) -> tuple[float, ...]:
    assert coarse.scores is not None, "the coarse reply to a scoring Ask carries scores"
    return coarse.scores


def fine_classes(
    branch: Branch, taxonomy: Taxonomy, config: MethodConfig
) -> tuple[EmotionClass, ...]:
    """The classes that Q_f of a branch offers, each with its letter in it."""
    classes = taxonomy.classes if branch == "ambiguous" else taxonomy.of_polarity(branch)
    return renumbered(classes) if config.letters == "renumbered" else classes


def fine_query(
    branch: Branch, classes: Iterable[EmotionClass], config: MethodConfig, *, phrase: bool
) -> Query:
    """Q_f of a branch over the classes that it offers."""
    ambiguous = branch == "ambiguous"
    body = fine_body(classes, config.fine_question, config.fine_answer, ambiguous=ambiguous)
    return Query(body, _fine_phrase(config) if phrase else None)


def _fine_phrase(config: MethodConfig) -> str:
    return config.phrase if config.fine_phrase is None else config.fine_phrase
