"""Words at the heads of the page's columns, explained as docs/statistics.md defines them."""

GLOSSARY = {
    "n": "images that the run could ask about; those with errors are left out",
    "accuracy": "right answers / n, in percent; unread answers count as wrong",
    "95% interval": "of an accuracy: Wilson's score interval; of a difference: Newcombe's score "
    "interval for paired proportions. It tells what another draw of images could change",
    "paper": "accuracy in the paper for this method, model and data set",
    "minus paper": "accuracy less the paper's, in percentage points",
    "others": "accuracy that others report for this method, model and data set",
    "minus others": "accuracy less that of the others, in percentage points",
    "macro F1": "mean over the classes that occur of F1, the harmonic mean of precision and recall",
    "polarity": "in results: answers whose class has the label's polarity, in percent; of a class: "
    "positive or negative",
    "coarse": "coarse answers, gated or not, that name the label's polarity, in percent",
    "ambiguous": "images that the gate calls ambiguous, in percent: all options are asked of them",
    "unread": "answers that cannot be read; they count as wrong",
    "off-menu": "answers with a class that the query did not offer",
    "errors": "images that could not be asked about; they are not in n",
    "Brier": "mean over images of the sum over all classes of (p - y)², from 0 to 2; p is the "
    "probability among the options shown, 0 for classes not shown",
    "ECE": "calibration error of the largest p in ten equal bins, weighted by their images",
    "AUROC": "chance that a right answer has a larger p than a wrong one, ties half",
    "AURC": "area under the risk-coverage curve: mean error rate among the i surest answers",
    "images/s": "images a second when the run was made",
    "n of both": "images that both runs could ask about",
    "gained": "images that the first run gets wrong and the other right",
    "lost": "images that the first run gets right and the other wrong",
    "points": "accuracy of the other run less the first one's over those images, in percentage "
    "points",
    "p": "exact McNemar test: a two-sided binomial test of gained against lost, not corrected for "
    "the number of comparisons",
    "p (exact McNemar)": "a two-sided binomial test of gained against lost, not corrected for the "
    "number of comparisons",
}
