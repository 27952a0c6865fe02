"""Samples gained and lost between two runs, by class and one by one."""

from matplotlib.figure import Figure

from sepm.analysis import plain_text as text
from sepm.analysis.compare import compare
from sepm.analysis.metrics import UNREAD
from sepm.analysis.paired import pair_up, paired_counts, per_class_change
from sepm.analysis.stored_run import StoredRun
from sepm.method.taxonomy import no_class
from sepm.report.per_class_figure import LOOKS, by_polarity
from sepm.report.style import DARK


def flip_table(reference: StoredRun, other: StoredRun) -> str:
    """CSV, a line for each sample whose prediction changed."""
    unread = no_class(UNREAD, reference.taxonomy.names)
    flips = compare(reference, other)["flips"]["samples"]
    return text.as_csv(
        [
            {
                **{name: flip[name] for name in ("question_id", "label")},
                "reference": flip["predictions"][0] or unread,
                "other": flip["predictions"][1] or unread,
                **{name: flip[name] for name in ("direction", "cause")},
            }
            for flip in flips
        ]
    )


def draw_flips(reference: StoredRun, other: StoredRun) -> Figure | None:
    """Samples gained to the right and lost to the left, by class; None without common samples."""
    pairs = pair_up(reference.records, other.records)
    if not pairs:
        return None
    changes = per_class_change(pairs, reference.taxonomy.names)
    names = [name for name in by_polarity(reference.taxonomy) if changes[name]["n"]]
    figure = Figure(figsize=(6.0, 0.34 * len(names) + 1.5), layout="constrained")
    ax = figure.subplots()
    places = range(len(names))
    gained = [changes[name]["gained"] for name in names]
    lost = [changes[name]["lost"] for name in names]
    for sign, counts, label, look in (
        (1, gained, "gained: wrong before, right now", LOOKS[1]),
        (-1, lost, "lost: right before, wrong now", LOOKS[0]),
    ):
        bars = ax.barh(places, [sign * count for count in counts], label=label, **look)
        ax.bar_label(bars, [str(count or "") for count in counts], padding=2, fontsize=8)
    widest = 1.3 * max(*gained, *lost, 1)
    ax.set_xlim(-widest, widest)
    ax.set_yticks(places, [f"{name} (n = {changes[name]['n']})" for name in names], fontsize=8)
    ax.invert_yaxis()
    ax.axvline(0, color=DARK, linewidth=0.8)
    ax.grid(visible=False, axis="y")
    ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    words = text.paired_words(paired_counts(pairs).as_json())
    ax.set_xlabel(f"samples of {len(pairs)}, {reference.name} → {other.name}\n{words}", fontsize=8)
    ax.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2, fontsize=8)
    return figure
