"""The model card: prose from a template, figures from the metrics."""

from __future__ import annotations

from collections.abc import Sequence
from string import Template
from typing import Any

from genretagger.bundle import most_telling
from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training.markdown import interval, number, table

_RANKING = {
    "top1_in_labels": "most probable genre is a label",
    "macro_map": "macro average precision",
    "lrap": "label ranking average precision",
}

_DECISIONS = {
    "precision": "written genres that are labels",
    "coverage": "clips that get a decision",
    "undecided_without_label": "left undecided, of clips without a label",
    "recall": "labels that are written",
    "genres_per_decision": "genres for each decision",
    "exact_set": "clips whose genres are all right, none missing",
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
}


def ranking_table(metrics: dict[str, Any]) -> str:
    """Lay out the ranking metrics, a column for each subset."""
    ranking = metrics["ranking"]
    head = [
        f"{name}: {figures_of['n_clips']} clips, {figures_of['n_groups']} artist groups"
        for name, figures_of in ranking.items()
    ]
    rows = []
    for key, words in _RANKING.items():
        figures = [figures_of[key] for figures_of in ranking.values()]
        if key == "macro_map":
            cells = [f"{interval(f)}, {len(f['genres'])} genres" for f in figures]
        else:
            cells = [interval(f) for f in figures]
        rows.append([words, *cells])
        guesses = [number(f["majority"]) for f in figures]
        rows.append(["the same, for the majority guess", *guesses])
    return table(["", *head], rows)


def decision_table(metrics: dict[str, Any]) -> str:
    """Lay out the metrics of decisions, a column for each subset."""
    decisions = metrics["decisions"]
    rows = [
        [words, *(interval(figures_of[key]) for figures_of in decisions.values())]
        for key, words in _DECISIONS.items()
    ]
    return table(["", *decisions], rows)


def genre_table(
    metrics: dict[str, Any], thresholds: tuple[float, ...], apart: Sequence[str] = ()
) -> str:
    """Lay out each genre: average precision, decisions, threshold.

    Parameters
    ----------
    metrics : dict
    thresholds : tuple of float, length n_genres
    apart : sequence of str
        Subsets that get a column of their own, if any clip is of them.
    """
    precisions = {
        name: figures_of["average_precision"] for name, figures_of in metrics["ranking"].items()
    }
    apart = [name for name in apart if name in precisions]
    by_genre = most_telling(metrics)["decisions_by_genre"]
    head = ["genre", "positives", "average precision", *(f"on {name}" for name in apart)]
    head += ["written", "right", "threshold"]
    rows = []
    for genre, threshold in zip(GENRES, thresholds, strict=True):
        figure = precisions["all"].get(genre)
        made = by_genre[genre]
        rows.append(
            [
                genre,
                str(figure["positives"] if figure else 0),
                interval(figure) if figure else "-",
                *(_of_positives(precisions.get(name, {}).get(genre)) for name in apart),
                str(made["written"]),
                f"{made['right'] / made['written']:.2f}" if made["written"] else "-",
                f"{threshold:.2f}",
            ]
        )
    return table(head, rows)


def _of_positives(figure: dict[str, Any] | None) -> str:
    return f"{figure['value']:.2f} of {figure['positives']}" if figure else "-"


def threshold_table(metrics: dict[str, Any]) -> str:
    """Lay out precision and coverage at one threshold for all genres."""
    curve = metrics["by_threshold"]
    return table(
        ["one threshold for all", *(f"{t:.1f}" for t in curve["threshold"])],
        [
            ["written genres that are labels", *map(number, curve["precision"])],
            ["clips that get a decision", *map(number, curve["coverage"])],
        ],
    )


def unseen_table(unseen: dict[str, Any]) -> str:
    """Lay out the figures of sets that were held out as a whole, a row for each."""
    rows = []
    for name, ranking in unseen["ranking"].items():
        decisions = unseen["decisions"][name]
        shown = [ranking["top1_in_labels"], ranking["macro_map"]]
        shown += [decisions["precision"], decisions["coverage"]]
        errors = [number(error, 3) for error in unseen["calibration_error"][name].values()]
        row = [name, str(ranking["n_clips"]), *(interval(f) for f in shown), " / ".join(errors)]
        rows.append(row)
    head = ["set", "clips", "best genre is a label", "macro average precision"]
    head += ["precision of what is written", "coverage"]
    return table([*head, "calibration error: all genres / the best / the written"], rows)


def render(
    template: str,
    about: dict[str, Any],
    thresholds: tuple[float, ...],
    apart: Sequence[str] = (),
) -> str:
    """Fill in the card.

    Parameters
    ----------
    template : str
        With `string.Template` placeholders such as ``$ranking_table``.
    about : dict
        What ``bundle.json`` says.
    thresholds : tuple of float, length n_genres
    apart : sequence of str
        Subsets that get a column in the table of genres.

    Returns
    -------
    str
        Markdown.

    Raises
    ------
    FatalError
        If the template names something that is not there.
    """
    metrics, network = about["metrics"], about["network"]
    decisions = most_telling(metrics)["decisions"]["all"]
    values = {
        **{key: about[key] for key in ("name", "version", "created", "licence", "code_version")},
        "tensorflow": about["versions"]["tensorflow"],
        "librosa": about["versions"]["librosa"],
        "n_clips": about["data"]["n_clips"],
        "n_groups": about["data"]["n_groups"],
        "hours": about["data"]["hours"],
        "manifest_sha256": about["data"]["manifest_sha256"],
        "split_sha256": about["data"]["split_sha256"],
        "epochs": about["training"]["epochs"],
        "parameters": f"{network['parameters'] / 1e6:.2f}",
        "macs": f"{network['macs_per_segment'] / 1e6:.0f}",
        "size": f"{network['bytes'] / 1e6:.1f}",
        "difference": network.get("largest_difference_from_keras", "not yet measured"),
        "protocol": metrics["protocol"],
        "ranking_table": ranking_table(metrics),
        "decision_table": decision_table(metrics),
        "genre_table": genre_table(metrics, thresholds, apart),
        "threshold_table": threshold_table(metrics),
        "ece_before": number(metrics["calibration_error"]["before"], 3),
        "ece_after": number(metrics["calibration_error"]["after"], 3),
        "precision": number(decisions["precision"]["value"]),
        "coverage": number(decisions["coverage"]["value"]),
        "unheard": ", ".join(metrics.get("unheard", ())) or "none",
        "teachers": "; ".join(about["training"].get("teachers", ())) or "none",
    }
    if "unseen" in metrics:
        values |= {
            "unseen_protocol": metrics["unseen"]["protocol"],
            "unseen_table": unseen_table(metrics["unseen"]),
        }
    made = about["training"].get("student")
    if made is not None:
        explained = ", ".join(f"{share:.0%}" for share in made["explained"].values())
        values |= {
            "corpus_hours": f"{made['corpus_segments'] / 360:.0f}",
            "corpus_files": made["corpus_files"],
            "explained": explained,
        }
    try:
        return Template(template).substitute(values)
    except (KeyError, ValueError) as error:
        raise FatalError(f"the model card's template: {error}") from error
