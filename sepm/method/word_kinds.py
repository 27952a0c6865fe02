"""An answer's text as the few kinds of words that tell how an option is named in it."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

Options = tuple[tuple[str, tuple[str, ...]], ...]
"""Each option letter of a task, with the words that name it."""

_WORDS_OF_KIND = {
    # Names of the answer, and of what the question asks about.
    "N": "answer option choice letter description selection response",
    "I": "it this that which image picture photo photograph painting artwork scene emotion emotions"
    " feeling feelings mood sentiment tone atmosphere impression sense category class label"
    " polarity expression",
    # Verbs between these and an option; verbs of choosing; approval.
    "L": "is are was be been being seems seem appears feels feel means has gives conveys convey"
    " conveyed evokes evoked expresses expressed shows shown depicts depicted portrays portrayed"
    " represents represented reflects suggests indicates elicits describes described labelled"
    " classified categorized associated interpreted related belongs falls corresponds fits fit"
    " matches match say think believe guess = → ⇒",
    "V": "choose chose choosing pick select go going opt",
    "Y": "correct right best yes fitting appropriate accurate closest suitable true",
    # Rejection, and the mere possibility.
    "X": "not no never neither none cannot without wrong incorrect unlikely less least false"
    " eliminate eliminated exclude excluded rejected ruled lacks hardly rarely barely second worst"
    " opposite alternative nobody doubt doubts doubtful avoid avoided dismiss dismissed discard"
    " discarded",
    "x": "✗ ✘ ✖ ❌ ☒ 🚫 👎",
    "H": "could may might maybe perhaps possibly first thought initially originally previously",
    # A change of mind.
    "R": "wait sorry correction now actually no_wait no_sorry no_actually second_thought"
    " second_thoughts on_second_thought on_second_thoughts looking_closer looking_again",
    # Words that change nothing; so does any other that ends in "ly".
    "F": "my your i we me would will should must can does did in here one most more very main"
    " primary predominant dominant strong deep general both makes no_doubt"
    " without_doubt without_a_doubt beyond_doubt",
    "T": "of with for to by about on under",
    "D": "a an",
    "t": "the",
    # Beginnings of a clause: condition, contrast, list, conclusion. And the last word.
    "S": "because since although though while whereas if whether unless when due despite",
    "K": "than except excluding unlike rather_than instead_of other_than",
    "B": "but however rather instead yet",
    "o": "and or nor & + plus as_well_as along_with together_with",
    "C": "therefore thus hence",
    "Z": "final finally overall ultimately conclusion",
    # What is in a picture, no class.
    "W": "image_content picture_content photo_content scene_content main_content visual_content",
    # Told apart by what stands beside them.
    "a": "as",
    "s": "so",
    **{mark: mark for mark in ":-()/!?\n"},
    ".": ". ; … 。 ·",
    ",": ", 、 |",
    "-": "- – —",
}
_KINDS = {
    word.replace("_", " "): kind
    for kind, words in _WORDS_OF_KIND.items()
    for word in (words.split() or words)
}

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_W = rf"[^\W_{_CJK}]"
_AFTER_WORD = rf"(?<!{_W})(?<!{_W}[-'])"
_SET_OFF = r"(?= ?(?:[.):;!?/|&=\n]|$| [-–—] ))"

_CONTRACTION = re.compile(r"(?i)\b(i|it|that|this|answer)'(?:s|m|d|ll)\b")
_NO_WORD = re.compile(r"\\[A-Za-z]*|</\w+>|(?<!\S):[DPOX]\b")  # LaTeX, end of a tag, smile
_ENCLOSED = re.compile(r"""[(\[{<"'“\u2018*_`$«「『【《]([A-Za-z])[)\]}>"'”\u2019*_`$»」』】》]""")
_INVISIBLE = "\x00-\x09\x0b-\x1f\x7f\xad\u200b-\u200f\u202a-\u202e\u2060\ufe0f\ufeff"
_EMOJI = "\u2600-\u27bf\U0001f300-\U0001faff"
_CROSSES = _WORDS_OF_KIND["x"].replace(" ", "")
_DECORATION = re.compile(
    rf"""(?![{_CROSSES}])[][*_`"“”$#{{}}<>~«»「」『』【】《》{_INVISIBLE}{_EMOJI}]"""
    r"|(?<!\w)'|'(?!\w)|[^\S\n]"
)


def words_of(text: str, options: Options) -> tuple[str, list[frozenset[str]]]:
    """The kinds of a text's words and marks, one character each, and the letters of its picks.

    An option letter has the kind "P", a class's name "M", any unknown word or mark "W".

    Returns:
        the kinds, and for each "P" and "M" in them the letters that it stands for.
    """
    names: dict[str, frozenset[str]] = {}
    for letter, own in options:
        for name in map(_name, own):
            names[name] = names.get(name, frozenset()) | {letter}
    kinds: list[str] = []
    picks: list[frozenset[str]] = []
    for match in _token_pattern(options).finditer(_plain(text)):
        token = match.group().lower()
        if match.lastgroup == "letter":
            kinds.append("P")
            picks.append(frozenset(token.strip("()").upper()))
        elif match.lastgroup == "name" and token in names:
            kinds.append("M")
            picks.append(names[token])
        elif match.lastgroup == "verdict":
            kinds.append("Y" if token.endswith("yes") else "X")
        else:
            kinds.append(_KINDS.get(token, "F" if token.endswith("ly") else "W"))
    return _told_apart("".join(kinds)), picks


def _told_apart(kinds: str) -> str:
    """The kinds, those of "as", "so", a dash and a line break as their neighbours have it."""
    kinds = re.sub("(?<=[L:N])\n", "", kinds)
    kinds = re.sub("(?<=N)-", ":", kinds)
    kinds = re.sub("(?<=[PM])a", "S", kinds).replace("a", "F")
    return re.sub(r"(?<![^.,!?\n-])s|s(?=[tIP])", "C", kinds).replace("s", "F")


def _plain(text: str) -> str:
    """The text without mark-up; a letter in brackets or quotes of any kind is written "(D)"."""
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'").replace("n't", " not")
    text = _NO_WORD.sub(" ", _CONTRACTION.sub(r"\1 be", text))
    text = _DECORATION.sub(" ", _ENCLOSED.sub(r" (\1) ", text))
    return re.sub(" *\n[ \n]*", "\n", re.sub("  +", " ", text)).strip()


def _name(name: str) -> str:
    return _plain(name).lower()


@lru_cache
def _token_pattern(options: Options) -> re.Pattern[str]:
    """One token of an answer: `letter`, `name`, `verdict` (": no"), or any other word or mark.

    "A", "I", "O" and small letters are words unless a mark, the end, their own class or a verb
    follows.
    """
    letters = [
        "[B-HJ-NP-Z]",
        f"(?:[Aa](?:(?=,)|{_SET_OFF})|[IOb-z]{_SET_OFF})",
        r"[AIO](?= (?:because|since|is|or|but|not|rather|instead|which)\b)",
        *(
            rf"{letter}(?=,? \(?{_any_of(map(_name, own))}(?!{_W}))"
            for letter, own in options
            if letter in "AIO"
        ),
    ]
    names = _any_of(_name(name) for _, own in options for name in own)
    phrases = _any_of(word for word in _KINDS if " " in word.strip())
    return re.compile(
        rf"{_W}(?:\.{_W})+(?!{_W})"  # "i.e", "J.F"
        rf"|(?P<name>{_AFTER_WORD}{names}(?![-']?{_W}))"
        rf"|(?P<letter>\([A-Za-z]\)|{_AFTER_WORD}(?:{'|'.join(letters)})(?![-']?{_W}|%))"
        r"|(?P<verdict>[:–—-] ?(?i:yes|no)(?= ?(?:[^\w\s]|\n|$)))"
        rf"|{phrases}(?!{_W})|{_W}+(?:[-']{_W}+)*|[{_CJK}]+"
        r"|[^\w ]"
    )


def _any_of(names: Iterable[str]) -> str:
    """A pattern of any of the names that are not empty, in capitals or small letters."""
    longest_first = sorted(filter(None, names), key=len, reverse=True)
    return f"(?i:{'|'.join(map(re.escape, longest_first)) or '(?!)'})"
