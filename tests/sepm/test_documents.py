"""One document, as a Markdown file and as columns in a terminal."""

from sepm.documents import Grid, as_markdown, for_terminal

DOCUMENT = [
    "## Accuracy",
    Grid(("class", "n", "paper", "p"), [("fear", "12", "-", "0.5"), ("a|b", "1", "-", "")]),
    "C# and #1 are no headings",
]


def test_a_table_in_markdown_has_every_column_and_a_bar_in_a_name_makes_none() -> None:
    assert as_markdown(DOCUMENT).splitlines() == [
        "## Accuracy",
        "| class |  n | paper |   p |",
        "| ----- | -: | ----: | --: |",
        "| fear  | 12 |     - | 0.5 |",
        r"| a\|b  |  1 |     - |     |",
        "C# and #1 are no headings",
    ]


def test_a_terminal_gets_aligned_columns_without_those_that_say_nothing() -> None:
    assert for_terminal(DOCUMENT, 80).splitlines() == [
        "Accuracy",
        "class   n    p",
        "fear   12  0.5",
        "a|b     1",
        "C# and #1 are no headings",
    ]


def test_a_line_break_stays_in_its_cell() -> None:
    assert Grid(("answer",), [("A\nman",)]).markdown()[2] == "| A man  |"


def test_columns_fit_the_terminal_and_nothing_is_cut_off() -> None:
    lines = Grid(("sample", "n"), [("fear/fear_00000.png_[b]", "1")]).columns(20)
    assert max(map(len, lines)) <= 20
    assert "".join(line.split()[0] for line in lines[1:]) == "fear/fear_00000.png_[b]"


def test_a_table_without_rows_is_its_header() -> None:
    assert Grid(("method", "n"), []).columns(80) == ["method"]
