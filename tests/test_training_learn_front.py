"""The first two layers of a student learn from patches."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from test_training_learn_student import SETTINGS, music
from test_training_networks_student import FEATURES

from training.learn import front
from training.learn.front import spread_filters
from training.networks import student
from training.networks.student import Shape

tensorflow = pytest.mark.skipif(not find_spec("tensorflow"), reason="needs tensorflow")


def test_first_filters_differ_and_respond_in_part_of_the_places():
    rng = np.random.default_rng(0)
    patches = rng.normal(size=(4000, 9)) @ rng.normal(size=(9, 9)) + 2
    filters, bias = spread_filters(patches, 12, rng)
    responses = patches @ filters + bias
    share = (responses > 0).mean(axis=0)
    assert share.min() > 0.15
    assert share.max() < 0.75
    likeness = np.abs(np.corrcoef(responses.T) - np.eye(12))
    assert likeness.max() < 0.9


@tensorflow
@pytest.mark.parametrize("rank", [0, 3])
def test_a_drawn_patch_is_all_that_a_unit_of_the_second_layer_looks_at(rank):
    config = replace(SETTINGS, units=(6, 5, 5, 5, 3), ranks=(0, rank, 0, 0, 0))
    network = student.build(Shape(config.units, config.ranks), FEATURES)
    rng = np.random.default_rng(0)
    decibels = music(rng, 2, FEATURES).astype(np.float32)
    looked_at, heard = (
        np.asarray(student.cut(network, None, layer)(decibels, training=False))
        for layer in ("heard", "before_1")
    )
    patches, there = front.draw(looked_at, heard, 300, rng)
    small = front._network(config, np.zeros((9, 6)), np.zeros(6))
    for layer in small.layers:
        if shapes := [weight.shape for weight in layer.get_weights()]:
            large = network.get_layer(layer.name).get_weights()
            layer.set_weights([w.reshape(s) for w, s in zip(large, shapes, strict=True)])
    assert np.ptp(there) > 0.1
    assert small.predict_on_batch(patches) == pytest.approx(there, abs=0.01 * float(np.ptp(there)))


@tensorflow
@pytest.mark.parametrize("rank", [0, 4])
def test_two_layers_learn_what_the_second_one_of_their_teacher_hears(rank):
    rng = np.random.default_rng(1)
    teacher = student.build(Shape((8, 5, 5, 5, 3)), FEATURES)
    seen, told = (student.cut(teacher, None, layer) for layer in ("heard", "before_1"))

    def drawn(n):
        decibels = music(rng, n, FEATURES).astype(np.float32)
        both = (np.asarray(model(decibels, training=False)) for model in (seen, told))
        return front.draw(*both, 1000 * n, rng)

    config = replace(SETTINGS, units=(12, 5, 5, 5, 3), ranks=(0, rank, 0, 0, 0), passes=20)
    network = student.build(Shape(config.units, config.ranks), FEATURES)
    lines = []
    front.learn(network, [drawn(8), drawn(8)], config, lines.append)
    assert lines
    decibels = music(rng, 2, FEATURES).astype(np.float32)
    wanted = np.asarray(told(decibels, training=False)).reshape(-1, 5)
    given = np.asarray(student.cut(network, None, "before_1")(decibels, training=False))
    error = ((given.reshape(-1, 5) - wanted) ** 2).mean(axis=0)
    assert (error < 0.3 * wanted.var(axis=0)).all()
