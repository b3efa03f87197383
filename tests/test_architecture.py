"""The intentions that matter: which way the arrows point, and what a start costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = {
    "arrays",
    "records",
    "errors",
    "genres",
    "containers",
    "text",
    "words",
}  # vocabulary, without behaviour
STEPS = {
    *("scan", "audio", "features", "classifier", "aggregate", "decide", "plan", "tags"),
    *("cache", "explain", "identity", "places", "writing"),
}
STEP_TO_STEP = {
    *(("classifier", "bundle"), ("classifier", "features"), ("bundle", "features")),
    *(("cache", "identity"), ("tags", "identity")),
    *(("writing", "identity"), ("writing", "places"), ("writing", "plan"), ("writing", "tags")),
}
FRONT = {
    *("cli", "pipeline", "report", "planfile", "review", "__init__", "__main__"),
    *("hearing", "workers", "recall", "albums", "rows", "verdicts"),
}
TRAINING_MAY = {
    *SHARED,
    *("audio", "features", "bundle", "classifier", "aggregate", "decide"),
    *("tags", "scan"),
}


def imports(path):
    """Yield every module that a file imports, as dotted names with the names taken from it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(path):
    """Yield the modules of genretagger that a file imports."""
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "genretagger" and len(parts) > 1:
            yield parts[1]


PACKAGE = ROOT / "genretagger"
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    """Name a module of genretagger as others import it: all of report/ is one, "report"."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_arrows_point_from_the_front_to_the_steps_to_the_vocabulary(path):
    module = name_of(path)
    used = set(own(path)) - {module}
    if module in SHARED:
        assert used <= SHARED
    elif module in FRONT:
        assert used <= STEPS | SHARED | FRONT | {"bundle"}
    else:
        steps = {other for other in used if other not in SHARED}
        assert {(module, other) for other in steps} <= STEP_TO_STEP


def test_only_one_module_imports_mutagen_and_only_one_litert():
    users = {"mutagen": set(), "ai_edge_litert": set(), "soundfile": set()}
    for path in MODULES:
        for name in imports(path):
            top = name.partition(".")[0]
            if top in users:
                users[top].add(name_of(path))
    assert users == {"mutagen": {"tags"}, "ai_edge_litert": {"classifier"}, "soundfile": {"audio"}}


def test_the_product_knows_nothing_of_training_beets_or_heavy_libraries():
    heavy = {"training", "beetsplug", "beets", "tensorflow", "keras", "librosa", "sklearn"}
    for path in MODULES:
        assert not {name.partition(".")[0] for name in imports(path)} & heavy, path


def test_training_uses_the_products_own_steps_and_no_more():
    for path in sorted((ROOT / "training").glob("*.py")):
        assert set(own(path)) <= TRAINING_MAY, path


def test_only_one_module_of_training_asks_a_server_and_none_loads_streamrip():
    users = {"requests": set(), "urllib3": set(), "streamrip": set(), "mutagen": set()}
    for path in sorted((ROOT / "training").glob("*.py")):
        for name in imports(path):
            if name.partition(".")[0] in users:
                users[name.partition(".")[0]].add(path.stem)
    asks = {"deezer"}
    assert users == {"requests": asks, "urllib3": asks, "streamrip": set(), "mutagen": set()}


def test_the_beets_plugin_reaches_public_names_only():
    for name in {n for path in (ROOT / "beetsplug").rglob("*.py") for n in imports(path)}:
        if name.startswith("genretagger."):
            attribute = name.split(".")[1]
            import genretagger

            assert attribute in genretagger.__all__, name


def test_there_is_no_init_in_beetsplug():
    assert not (ROOT / "beetsplug/__init__.py").exists()


def test_every_public_name_can_be_had():
    import genretagger

    for name in genretagger.__all__:
        assert getattr(genretagger, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = genretagger.nonsense


@pytest.mark.parametrize(
    "code",
    [
        "import genretagger",
        "from genretagger.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
    ],
)
def test_a_start_loads_nothing_heavy(code):
    heavy = ("numpy", "joblib", "soundfile", "mutagen", "rich", "ai_edge_litert")
    heavy += ("tensorflow", "librosa", "numba", "sklearn", "jinja2")
    check = f"import sys\n{code}\nprint('loaded:', [m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_a_prediction_loads_neither_tensorflow_nor_librosa():
    code = (
        "import sys, genretagger.pipeline\n"
        "heavy = 'tensorflow', 'librosa', 'numba', 'sklearn', 'scipy'\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
