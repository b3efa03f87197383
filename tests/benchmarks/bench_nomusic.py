"""Is what is no music left undecided? ``bench_nomusic.py FOLDER [--bundle MODEL]``.

Files of 30 s that no model of ours learned from: recorded Dutch, synthetic English, German and
Spanish (by ``espeak-ng``), the sound effects of two games, each in nine orders, and computed
noise, tones and clicks. FOLDER keeps Debian's packages and the files.
"""

import argparse
import subprocess
from collections import defaultdict
from pathlib import Path

import numpy as np
import soundfile

from genretagger import audio, bundle, pipeline
from genretagger.decide import DecisionPolicy, decide
from genretagger.errors import TrackError
from training.features import corpus
from training.markdown import table

SR = 16000
LENGTH = 30 * SR
DIALOGUES = "fillets-ng-data-nl"
EFFECTS = ("frozen-bubble-data", "boswars-data")
LONGEST_EFFECT_S = 10.0  # what is longer may be a game's music
READ = {
    "en": "The file you asked for is not here. Please look again, or ask somebody who knows.",
    "de": "Der nächste Zug fährt um zehn nach acht von Gleis drei. Bitte alle einsteigen.",
    "es": "Para hablar con una persona, marque el cero. Gracias por esperar en la línea.",
}


def recordings(folder, name, longest_s=np.inf):
    """Decode a package's recordings that are not longer."""
    sounds = []
    for path in corpus.find(corpus.fetch(name, folder, 2_000)):
        try:
            y = audio.decode_whole(path, SR)
        except TrackError:
            continue
        if len(y) <= longest_s * SR and not audio.is_silent(y):
            sounds.append(y)
    return sounds


def dialogues(folder):
    """Lay Dutch recordings end to end, and cut them."""
    y = np.concatenate(recordings(folder, DIALOGUES))
    return list(y[: 20 * LENGTH].reshape(20, LENGTH))


def orders(folder, name):
    """Lay a game's effects end to end in nine orders."""
    sounds = recordings(folder, name, LONGEST_EFFECT_S)
    for seed in range(9):
        order = np.random.default_rng(seed).permutation(len(sounds))
        yield np.resize(np.concatenate([sounds[i] for i in order])[:LENGTH], LENGTH)


def synthetic(folder):
    """Let a machine read three times in each of three languages."""
    wav = folder / "read.wav"
    for language, text in READ.items():
        for words_per_minute in ("120", "160", "220"):
            subprocess.run(
                ["espeak-ng", "-v", language, "-s", words_per_minute, "-w", wav, text], check=True
            )
            yield np.resize(audio.decode_whole(wav, SR), LENGTH)
    wav.unlink()


def computed():
    """Compute noise, tones and clicks."""
    rng, time = np.random.default_rng(0), np.arange(LENGTH) / SR
    white = np.fft.rfft(rng.standard_normal(LENGTH))
    frequency = np.fft.rfftfreq(LENGTH, 1 / SR) + 1.0
    for exponent in (0.0, 0.5, 1.0):  # white, pink, brown
        yield np.fft.irfft(white / frequency**exponent, LENGTH)
    for tones in ((440.0,), (50.0, 100.0, 150.0), (697.0, 1209.0)):
        yield sum(np.sin(2 * np.pi * tone * time) for tone in tones)
    yield np.sin(2 * np.pi * 100.0 * (80.0 ** (time / 30) - 1) / np.log(80.0) * 30)  # a sweep
    for every_s in (0.5, 0.05):
        clicks = np.zeros(LENGTH)
        clicks[:: round(every_s * SR)] = 1.0
        yield clicks


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bundle", default="default", metavar="MODEL")
    parser.add_argument("-v", action="store_true", help="a line for each file")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    made = {
        "recorded Dutch": dialogues(args.folder),
        "synthetic speech": synthetic(args.folder),
        **{f"effects, {name}": orders(args.folder, name) for name in EFFECTS},
        "noise, tones, clicks": computed(),
    }
    kinds = {}
    for kind, sounds in made.items():
        for i, y in enumerate(sounds):
            path = args.folder / f"{kind.replace(', ', '-').replace(' ', '-')}-{i:02d}.wav"
            soundfile.write(path, 0.5 * y / np.abs(y).max(), SR)
            kinds[path] = kind
    model = bundle.read(bundle.locate(args.bundle))
    policy = DecisionPolicy(model.thresholds)
    heard = defaultdict(list)
    for path, answer in pipeline.predict(list(kinds), model):
        if isinstance(answer, TrackError):
            print(answer)
            continue
        decision, best = decide(answer, policy), max(answer.probabilities or (0.0,))
        heard[kinds[path]].append((not decision.genres, best))
        if args.v:
            print(f"{path.name}: {decision.reason[0]}")
    rows = []
    for kind, answers in heard.items():
        undecided, best = zip(*answers, strict=True)
        rows.append([kind, str(len(answers)), str(sum(undecided)), f"{max(best):.2f}"])
    print(f"model {model.bundle_id}")
    print(table(["what", "files", "undecided", "most probable genre of any"], rows))


if __name__ == "__main__":
    main()
