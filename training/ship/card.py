"""The model card: prose from a template, figures from what was measured."""

from __future__ import annotations

from string import Template
from typing import Any

from genretagger.errors import FatalError
from genretagger.genres import GENRES
from training.markdown import interval, number, table

_SUBSETS = ("all", "panda", "others")

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
    subsets = [name for name in _SUBSETS if name in ranking]
    head = [
        f"{name}: {ranking[name]['n_clips']} clips, {ranking[name]['n_groups']} artist groups"
        for name in subsets
    ]
    rows = []
    for key, words in _RANKING.items():
        figures = [ranking[name][key] for name in subsets]
        if key == "macro_map":
            cells = [f"{interval(f)}, {len(f['genres'])} genres" for f in figures]
        else:
            cells = [interval(f) for f in figures]
        rows.append([words, *cells])
        guesses = [number(f["majority"]) for f in figures]
        rows.append(["the same, for the majority guess", *guesses])
    return table(["", *head], rows)


def decision_table(metrics: dict[str, Any]) -> str:
    """Lay out what would be written, a column for each subset."""
    decisions = metrics["decisions"]
    subsets = [name for name in _SUBSETS if name in decisions]
    rows = [
        [words, *(interval(decisions[name][key]) for name in subsets)]
        for key, words in _DECISIONS.items()
    ]
    return table(["", *subsets], rows)


def genre_table(metrics: dict[str, Any], thresholds: tuple[float, ...]) -> str:
    """Lay out each genre: average precision, decisions, threshold."""
    found = metrics["ranking"]["all"]["average_precision"]
    panda = metrics["ranking"].get("panda", {}).get("average_precision", {})
    head = ["genre", "positives", "average precision", "on panda", "written", "right", "threshold"]
    rows = []
    for genre, threshold in zip(GENRES, thresholds, strict=True):
        figure, on_panda = found.get(genre), panda.get(genre)
        made = metrics["decisions_by_genre"][genre]
        share = f"{made['right'] / made['written']:.2f}" if made["written"] else "-"
        rows.append(
            [
                genre,
                str(figure["positives"] if figure else 0),
                interval(figure) if figure else "-",
                f"{on_panda['value']:.2f} of {on_panda['positives']}" if on_panda else "-",
                str(made["written"]),
                share,
                f"{threshold:.2f}",
            ]
        )
    return table(head, rows)


def threshold_table(metrics: dict[str, Any]) -> str:
    """Lay out precision and coverage at one threshold for all genres."""
    found = metrics["by_threshold"]
    return table(
        ["one threshold for all", *(f"{t:.1f}" for t in found["threshold"])],
        [
            ["written genres that are labels", *map(number, found["precision"])],
            ["clips that get a decision", *map(number, found["coverage"])],
        ],
    )


def render(template: str, about: dict[str, Any], thresholds: tuple[float, ...]) -> str:
    """Fill in the card.

    Parameters
    ----------
    template : str
        With `string.Template` placeholders such as ``$ranking_table``.
    about : dict
        What ``bundle.json`` says.
    thresholds : tuple of float, length n_genres

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
        "genre_table": genre_table(metrics, thresholds),
        "threshold_table": threshold_table(metrics),
        "ece_before": number(metrics["calibration_error"]["before"], 3),
        "ece_after": number(metrics["calibration_error"]["after"], 3),
        "precision": number(metrics["decisions"]["all"]["precision"]["value"]),
        "coverage": number(metrics["decisions"]["all"]["coverage"]["value"]),
    }
    made = about["training"].get("compact")
    if made is not None:
        values |= {
            "corpus_hours": made["corpus_hours"],
            "corpus_files": made["corpus_files"],
            "explained_hidden": f"{made['explained']['hidden']:.0%}",
            "explained_tags": f"{made['explained']['tags']:.0%}",
        }
    try:
        return Template(template).substitute(values)
    except (KeyError, ValueError) as error:
        raise FatalError(f"the model card's template: {error}") from error
