"""Numbers of images that printed percentages admit, against trying every k of n."""

import pytest

from sepm.analysis.printed_percent import Printed, as_document, implied_sizes
from sepm.documents import Grid
from sepm.errors import InputError


def is_printed(text: str, n: int, cut_off: bool = False) -> bool:
    """Whether some k of n, every one of them tried, is printed so."""
    scale, wanted = 100 * 10 ** len(text.partition(".")[2]), int(text.replace(".", ""))
    if cut_off:
        return any(scale * k // n == wanted for k in range(n + 1))
    return any(abs(scale * k - wanted * n) * 2 <= n for k in range(n + 1))


def tried(text: str, sizes: range, cut_off: bool) -> list[int]:
    return [n for n in sizes if is_printed(text, n, cut_off)]


TEXTS = ["66.66", "66.67", "33", "0", "100", "30.8", "30.80", "12.50", "99.99", "0.01", "33.333"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("cut_off", [False, True])
def test_a_cell_admits_the_n_of_which_some_k_is_printed_so(text: str, cut_off: bool) -> None:
    sizes = range(1, 400)
    assert Printed(text).fitting(sizes, cut_off=cut_off) == tried(text, sizes, cut_off)


def test_two_thirds_are_rounded_up_or_cut_off_and_a_half_is_rounded_either_way() -> None:
    found = [Printed(text).fits(3, cut_off=cut) for text in TEXTS[:2] for cut in (False, True)]
    assert found == [False, True, True, False]
    halves = [Printed(text).fits(800) for text in ("0.12", "0.13", "0.14")]  # 1 / 800 is 0.125
    assert halves == [True, True, False]


def test_a_column_admits_what_all_of_its_cells_do() -> None:
    texts, sizes = ["66.67", "33.3", "26.66"], range(1, 101)
    found = implied_sizes([Printed(text) for text in texts], 100, [15, 16])
    rounded, cut = ([set(tried(t, sizes, c)) for t in texts] for c in (False, True))
    assert found["cells"][1] == {
        **{"printed": "33.3", "rounded": sorted(rounded[1]), "cut_off": sorted(cut[1])}
    }
    either = set.intersection(*(a | b for a, b in zip(rounded, cut, strict=True)))
    assert found["column"] == {
        "rounded": sorted(set.intersection(*rounded)),
        "cut_off": sorted(set.intersection(*cut)),
        "either": sorted(either),
    }
    assert 15 in found["column"]["either"]  # 10/15, 5/15, 4/15: the last is cut off
    assert 15 not in found["column"]["rounded"]
    assert found["asked"][0] == {
        **{"n": 15, "rounded": [True, True, False], "cut_off": [False, True, True]}
    }


@pytest.mark.parametrize(
    "text", ["", "a", "-1", "100.01", "1e1", "1.", ".5", "1.1234567", "٣", "nan"]
)
def test_what_no_table_prints_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=f"'{text}' is no printed percentage"):
        Printed(text)


def test_the_text_tells_each_cell_and_each_n_asked_for() -> None:
    cells, asked = (
        part
        for part in as_document(implied_sizes([Printed("66.67"), Printed("50.00")], 12, [3, 12]))
        if isinstance(part, Grid)
    )
    assert cells.rows == [
        ["66.67", "3, 6, 9, 12", "none"],
        ["50.00", "2, 4, 6, 8, 10, 12", "2, 4, 6, 8, 10, 12"],
        ["all cells", "6, 12", "none"],
    ]
    assert asked.rows == [["66.67", "rounded", "rounded"], ["50.00", "-", "rounded or cut off"]]
