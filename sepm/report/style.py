"""Style of all figures, and their files: the same bytes for the same records."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from sepm.analysis.accuracy import Accuracy

# Okabe and Ito's colours, told apart by colour-blind readers; here in order of falling lightness
# where two meet, so that grey print tells them apart too.
ORANGE, SKY, GREEN, BLUE, VERMILION = "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00"
GREY, DARK = "#8C8C8C", "#222222"
PAPER, SHADE, LINE = "#FFFFFF", "#F2F2F2", "#DDDDDD"
ON_DARK = "#FEFEFE"
"""Text on a dark colour, which stays light in the dark too."""

AFTER_DARK = {DARK: "#ECECEC", PAPER: "#17191B", SHADE: "#24282C", LINE: "#3E4246"}
"""What a page in the dark has instead of some colours."""

LINES: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "marker": "o", "linestyle": "-"},
    {"color": VERMILION, "marker": "s", "linestyle": "--"},
    {"color": GREEN, "marker": "^", "linestyle": "-."},
    {"color": DARK, "marker": "D", "linestyle": ":"},
)
"""Looks of the lines of one panel, told apart without colour too."""

RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), DARK
    ),
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "text.parse_math": False,  # names may hold dollar signs
    "svg.fonttype": "path",
    "svg.hashsalt": "sepm",
}

DPI = 200
"""Pixels per inch, of PNG files and of pictures inside SVG files."""

ImageFormat = Literal["png", "svg"]
Format = ImageFormat | Literal["pdf"]
FORMATS: tuple[ImageFormat, ImageFormat] = ("png", "svg")
"""Formats of `sepm figures`."""


@contextmanager
def styled() -> Iterator[None]:
    """Figures made and written inside look alike."""
    with rc_context(RC):
        yield


def rendered(figure: Figure, kind: ImageFormat, dpi: int = DPI) -> bytes:
    """A figure's file, without date and version."""
    metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    file = BytesIO()
    figure.savefig(file, format=kind, metadata=metadata, dpi=dpi, bbox_inches="tight")
    return file.getvalue()


def after_dark(svg: bytes) -> bytes:
    """An SVG file that has other colours where its reader prefers a dark page.

    matplotlib writes each colour into a style of its own, which only `!important` goes before.
    """
    rules = "".join(
        f'[style*="{what}: {light.lower()}"] {{ {what}: {dark} !important }}'
        for light, dark in AFTER_DARK.items()
        for what in ("fill", "stroke")
    )
    sheet = f"@media (prefers-color-scheme: dark) {{{rules}}}</style>"
    return svg.replace(b"</style>", sheet.encode(), 1)


def picture_files(
    path: Path, pages: Iterable[Figure], count: int, kind: Format
) -> Iterator[tuple[Path, bytes]]:
    """Files of some pages, with their paths: of several "decision-01.png" and so on; a PDF has all.

    Args:
        path: of the picture; its suffix is not looked at.
        pages: drawn one at a time, since each holds its images.
        count: how many they are.
        kind: format of the files.
    """
    if kind == "pdf":
        yield path, _pdf_of(pages)
        return
    for number, page in enumerate(pages, start=1):
        name = path.stem if count == 1 else f"{path.stem}-{number:02}"
        yield path.with_stem(name), rendered(page, kind)


def _pdf_of(pages: Iterable[Figure]) -> bytes:
    """One PDF file, without date and version."""
    file = BytesIO()
    with PdfPages(file, metadata={"CreationDate": None, "Producer": None, "Creator": None}) as pdf:
        for page in pages:
            pdf.savefig(page, dpi=DPI, bbox_inches="tight")
    return file.getvalue()


def in_legend(name: str) -> str:
    """A name as a legend shows it: matplotlib hides what begins with an underscore."""
    return f" {name}" if name.startswith("_") else name


def name_above(ax: Axes, text: str, x: float, fontsize: int) -> None:
    """Write a text above the axes, at a place along them."""
    ax.annotate(text, (x, 1.01), xycoords=("data", "axes fraction"), ha="center", fontsize=fontsize)


def percent_error(accuracies: Sequence[Accuracy]) -> list[list[float]]:
    """Lengths of the 95% error bars below and above some accuracies, in percent."""
    ends = [(a.fraction or 0.0, *(a.ci95 or (0.0, 0.0))) for a in accuracies]
    below = [max(100 * (value - low), 0.0) for value, low, _ in ends]
    return [below, [max(100 * (high - value), 0.0) for value, _, high in ends]]
