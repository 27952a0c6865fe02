"""ArtPhoto (Machajdik & Hanbury, ACM MM 2010): photographs, the class in each name."""

from pathlib import Path

from sepm.datasets.files import shortened
from sepm.datasets.folder import images_below
from sepm.datasets.question_file import Question
from sepm.datasets.reader_parts import Reading, need
from sepm.errors import InputError, unknown_name
from sepm.method.taxonomy import Taxonomy

TREE = "unpack testImages_artphoto.zip so that the root holds <class>_<id>.jpg"


def read_artphoto(root: Path, taxonomy: Taxonomy) -> Reading:
    """One question an image, labelled by what its name begins with: `sad_0123.jpg` is of sadness.

    A name begins with a class or with the word that its option shows. `question_id` is
    `<class>/<file>`.

    Raises:
        InputError: there is no such folder, no image, or a name begins with no class.
    """
    need(root, TREE)
    words = {c.option_text.lower(): c.name for c in taxonomy.classes}
    words |= {name.lower(): name for name in taxonomy.names}
    questions: list[Question] = []
    unknown: list[str] = []
    images, others = images_below(root)
    for image in images:
        word = Path(image).name.partition("_")[0].lower()
        if word in words:
            label = words[word]
            questions.append(Question(question_id=f"{label}/{image}", image=image, label=label))
        else:
            unknown.append(f"{root / image}: {unknown_name('class', word, words)}")
    if unknown:
        raise InputError(shortened(unknown))
    if not questions:
        raise InputError(f"{root}: no image; {TREE}")
    questions.sort(key=lambda question: taxonomy.names.index(question.label))
    return Reading(questions, root, counts={"other_files": others})
