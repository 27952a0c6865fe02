"""A task of four classes for records made by hand."""

from sepm.method.taxonomy import EmotionClass, Taxonomy

JOYS = Taxonomy(
    "joys",
    "Four classes",
    (
        EmotionClass("joy", "Joy", "A", "positive"),
        EmotionClass("fear", "Fear", "B", "negative"),
        EmotionClass("calm", "Calm", "C", "positive"),
        EmotionClass("grief", "Grief", "D", "negative"),
    ),
)
