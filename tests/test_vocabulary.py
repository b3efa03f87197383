"""The genres are the bundle's: another vocabulary goes all the way, and comes back."""

import csv
import json

import embedding_bundle
import pytest
from runs import opened, run

from genretagger import bundle, cli, pipeline, planfile, tags
from genretagger.bundle import DEFAULT
from genretagger.decide import DecisionPolicy, decide
from genretagger.errors import FatalError
from genretagger.genres import GENRES, SHIPPED, Vocabulary
from genretagger.plan import TagPolicy, plan, plan_by_hand
from genretagger.records import GenreBlock, Prediction, State, TagChange, TrackTags
from genretagger.report.html import Page
from genretagger.rows import plan_row

OWN = Vocabulary(
    (*(f"Kind {n}" for n in range(12)), "Deep House", "Lied"),
    frozenset({frozenset(("Deep House", "Lied"))}),
)
HALF = (0.5,) * len(OWN.genres)
HEARD = Prediction((*(0.01,) * 12, 0.65, 0.7))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The shipped network, whose outputs have other names."""
    return embedding_bundle.write(tmp_path_factory.mktemp("own"), vocabulary=OWN)


def test_a_bundle_says_its_genres_and_fusions_and_one_of_before_has_the_shipped(own):
    assert bundle.read(own.path).vocabulary == OWN
    assert bundle.read(DEFAULT).vocabulary == SHIPPED


def test_the_vocabulary_decides_which_pair_is_a_fusion_and_how_it_is_ordered():
    decision = decide(HEARD, DecisionPolicy(HALF, vocabulary=OWN))
    assert decision.genres == ("Lied", "Deep House")
    alone = Vocabulary(OWN.genres, frozenset())
    assert decide(HEARD, DecisionPolicy(HALF, vocabulary=alone)).genres == ("Lied",)
    untagged = TrackTags((), "ID3v2.4")
    line = plan("x.mp3", untagged, TagPolicy(vocabulary=OWN), decision, HEARD)
    assert line.new == ("Deep House; Lied",)
    assert plan_row(line)["probabilities"]["Lied"] == 0.7


def test_a_spelling_of_an_own_genre_counts_as_it(own):
    held = TrackTags((GenreBlock("ID3v2.4", ("deep-house",)),), "ID3v2.4")
    policy = TagPolicy(existing="append", vocabulary=OWN)
    assert plan_by_hand("x.mp3", held, policy, ("lied", "deep house")).new == ("Lied; Deep House",)
    decision = decide(HEARD, DecisionPolicy(HALF, vocabulary=OWN))
    assert plan("x.mp3", held, policy, decision, HEARD).new == ("deep-house; Lied",)


def test_a_page_counts_own_genres_and_shows_their_fusions():
    page = Page(title="T", thresholds=HALF, vocabulary=OWN)
    line = TagChange("a.mp3", State.KEEP, ("Lied",), ("Lied",), vocabulary=OWN)
    page.add(plan_row(line))
    text = page.render()
    assert '"Deep House","Lied"]' in text
    assert '"Ambient"' not in text


def test_the_commands_have_the_words_of_the_bundle(own, music, capsys, tmp_path):
    use = ("--bundle", own.path)
    code, rows, _ = run(capsys, "predict", "--threshold", "0", *use, music)
    assert code == 0
    assert all(tuple(row["probabilities"]) == OWN.genres for row in rows)
    assert all(set(row["genres"]) <= set(OWN.genres) for row in rows)
    cli.main(["predict", "--format", "csv", "--jobs", "1", *map(str, use), str(music)])
    heading = next(csv.reader(capsys.readouterr().out.splitlines()))
    assert heading[-14:] == list(OWN.genres)
    cli.main(["genres", *map(str, use)])
    assert "1 pair of genres that often go together:\n  Deep House; Lied" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        cli.main(["predict", "--only", "Rock", *map(str, use), str(music)])
    assert "Rock is not one of Kind 0" in capsys.readouterr().err
    mapping = tmp_path / "names"
    mapping.write_text("lied = Art Song\n")
    only = ("--only", "Lied", "--always", "--map", mapping, "--jobs", "1")
    code, rows, _ = run(capsys, "tag", *only, *use, music)
    assert (code, [row["new"] for row in rows]) == (0, [["Art Song"]] * 3)
    assert tags.read(music / "0.flac").blocks[0].values == ("Art Song",)


def test_a_plan_carries_its_vocabulary_and_one_of_before_has_the_shipped(
    own, music, capsys, tmp_path
):
    path = tmp_path / "plan"
    run(capsys, "tag", "-n", "--always", "--plan", path, "--bundle", own.path, music)
    read = planfile.read(path, [music])
    assert (read.policy.vocabulary, len(read.thresholds)) == (OWN, 14)
    assert {line.vocabulary for line in read.lines} == {OWN}
    assert cli.main(["apply", str(path)]) == 0
    other = tmp_path / "other"
    run(capsys, "tag", "-n", "--always", "--existing", "replace", "--plan", other, music)
    head, *lines = other.read_text().splitlines()
    before = json.loads(head)
    del before["genres"], before["fusions"]
    other.write_text("\n".join([json.dumps(before), *lines]) + "\n")
    assert planfile.read(other, [music]).policy.vocabulary == SHIPPED
    before |= {"genres": list(OWN.genres), "fusions": []}
    other.write_text("\n".join([json.dumps(before), *lines]) + "\n")
    with pytest.raises(FatalError, match="names of the genres"):
        planfile.read(other, [music])


def test_a_cache_holds_as_many_probabilities_as_the_model_has_genres(tmp_path):
    from test_cache import KEY

    for n in (1, 14, 120):
        prediction = Prediction(tuple(i / n for i in range(n)))
        with opened(tmp_path / str(n)) as cache:
            cache.keep_prediction(KEY, prediction)
        with opened(tmp_path / str(n)) as cache:
            assert cache.prediction(KEY) == prediction


def test_another_name_for_the_same_outputs_is_another_model(own, music):
    paths = sorted(music.iterdir())
    assert set(OWN.genres).isdisjoint(GENRES)
    with opened() as cache:
        shipped = [a for _, a in pipeline.predict(paths, bundle.read(DEFAULT), cache=cache)]
        ours = [a for _, a in pipeline.predict(paths, own, cache=cache)]
        assert ours == shipped
        assert len(cache.contents().n_predictions) == 2
