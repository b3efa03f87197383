"""The intentions that matter: which way the arrows point, and what a start costs."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.quick

ROOT = Path(__file__).resolve().parent.parent

ROOMS = {
    "genretagger": {
        "__main__": "cli",
        "__init__": "aggregate albums audit bundle cache decide hearing library pipeline plan "
        "report rows writing",
        "cli": "arrival audit bundle cache classifier cluster decide discover expression hearing "
        "learn pipeline plan planfile playlist recall report results review rows scan similarity "
        "tags writing",
        "review": "audio bundle cache hearing plan planfile recall report rows tags verdicts "
        "writing",
        "library": "bundle cache decide pipeline rows",
        "learn": "decide heads",
        "cluster": "bundle hearing pipeline",
        "results": "decide report rows writing",
        "pipeline": "albums audit bundle cache decide hearing plan recall workers",
        "report": "bundle discover explain rows",
        "discover": "playlist similarity",
        "audit": "aggregate albums plan",
        "similarity": "",
        "playlist": "",
        "arrival": "scan",
        "expression": "",
        "planfile": "plan rows verdicts",
        "verdicts": "plan rows",
        "rows": "plan",
        "recall": "cache tags",
        "workers": "bundle hearing",
        "hearing": "aggregate audio bundle classifier doubt explain features tags",
        "writing": "plan tags",
        "albums": "aggregate",
        "classifier": "bundle features",
        "bundle": "doubt features heads",
        "heads": "",
        "scan": "",
        "audio": "",
        "features": "",
        "doubt": "aggregate",
        "aggregate": "",
        "explain": "",
        "decide": "",
        "plan": "",
        "tags": "",
        "cache": "database",
        "database": "",
    },
    "beetsplug.genrecnn": {
        "__init__": "albums auditing id3v23 outcomes page progress runs settings tracks",
        "auditing": "outcomes page progress settings",
        "runs": "albums outcomes tracks",
        "page": "outcomes settings",
        "albums": "outcomes settings",
        "tracks": "outcomes settings",
        "outcomes": "",
        "settings": "",
        "progress": "",
        "id3v23": "",
    },
    "training": {
        "__main__": "stages",
        "stages": "collect data features learn measure networks run ship study",
        "run": "data features learn networks",
        "study": "data measure networks",
        "ship": "features networks",
        "measure": "data features learn networks",
        "learn": "data features networks",
        "features": "data networks",
        "networks": "",
        "data": "",
        "collect": "",
        "__init__": "",
    },
}
"""Every room, a module or a folder, and the rooms that it imports, from the front to the steps.

A room imports rooms that stand below it, and of these just the ones named here; so there is no
circle. Those of `GROUND` it need not name.
"""

GROUND = {
    "genretagger": "records errors genres containers beginning mpeg lengths content identity "
    "places installation arrays text words subgenres",
    "beetsplug.genrecnn": "",
    "training": "config settings arrays files folders progress markdown crashes",
}
"""Rooms that every room of their package may import, and that import only one another."""

USED_BY_TRAINING = {
    "collect": "audio tags",
    "data": "audio scan tags",
    "features": "audio features",
    "networks": "features",
    "learn": "audio features",
    "measure": "aggregate bundle classifier decide features hearing",
    "ship": "bundle classifier features hearing",
    "study": "aggregate audio features",
    "config": "doubt features",
}
"""The rooms of genretagger above its ground that training imports, so that what is measured is
what ships."""

OWNERS = {
    "mutagen": "genretagger.tags",
    "soundfile": "genretagger.audio",
    "sklearn": "genretagger.discover genretagger.learn training.measure",
    "ai_edge_litert": "genretagger.classifier training.features training.networks",
    "distributed": "genretagger.cluster",
    "pyarrow": "genretagger.results",
    "requests": "training.collect",
    "urllib3": "training.collect",
    "watchdog": "genretagger.arrival",
}
"""The rooms that import a library; training runs its teachers by LiteRT, too."""

APART = {
    "genretagger.writing": "audio cache classifier hearing recall workers",
    "genretagger.plan": "audio cache tags",
    "training.networks": "data features learn",
    "training.learn": "measure ship study",
}
"""Rooms that a room does not reach, not even by way of others."""


def imports(path):
    """Yield every module that a file imports, as dotted names with the names taken from it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def folder(package):
    return ROOT / package.replace(".", "/")


def files(package):
    return sorted(folder(package).rglob("*.py"))


def room_of(package, path):
    """Name the room that a file is, or is in: all of report/ is one, "report"."""
    return path.relative_to(folder(package)).with_suffix("").parts[0]


def rooms_in(package, names):
    """Name the rooms of a package that these imports lead to."""
    below = (n.removeprefix(f"{package}.") for n in names if n.startswith(f"{package}."))
    return {name.partition(".")[0] for name in below} & all_rooms(package)


@cache
def all_rooms(package):
    return {room_of(package, path) for path in files(package)}


@cache
def arrows(package, room, into=None):
    """Name the other rooms, of the same package or `into` another one, that a room imports."""
    of_room = [path for path in files(package) if room_of(package, path) == room]
    used = rooms_in(into or package, {name for path in of_room for name in imports(path)})
    return used - ({room} if into is None else set())


def reached(package, room):
    """Name the rooms that a room imports, that those import, and so on."""
    known, todo = set(), {room}
    while todo:
        new = arrows(package, todo.pop()) - known
        known |= new
        todo |= new
    return known


FILES = [(package, path) for package in ROOMS for path in files(package)]


@pytest.mark.parametrize(
    ("package", "path"), FILES, ids=[str(path.relative_to(ROOT)) for _, path in FILES]
)
def test_arrows_point_from_the_front_to_the_steps_to_the_vocabulary(package, path):
    room = room_of(package, path)
    ground = set(GROUND[package].split())
    used = rooms_in(package, imports(path)) - {room}
    may = set() if room in ground else set(ROOMS[package][room].split())
    assert used <= may | ground


@pytest.mark.parametrize("package", ROOMS)
def test_the_table_has_every_room_in_order_and_no_arrow_that_is_gone(package):
    order, ground = list(ROOMS[package]), set(GROUND[package].split())
    assert {*order} | ground == all_rooms(package)
    for n, room in enumerate(order):
        listed = set(ROOMS[package][room].split())
        assert listed <= set(order[n + 1 :]), room
        assert listed == arrows(package, room) - ground, room


@pytest.mark.parametrize("name", APART)
def test_rooms_that_are_apart_do_not_reach_one_another(name):
    package, _, room = name.rpartition(".")
    assert not reached(package, room) & set(APART[name].split())


def test_only_one_module_imports_mutagen_and_only_one_litert():
    users = {library: set() for library in OWNERS}
    for package, path in FILES:
        for library in {name.partition(".")[0] for name in imports(path)} & OWNERS.keys():
            users[library].add(f"{package}.{room_of(package, path)}")
    assert users == {library: set(rooms.split()) for library, rooms in OWNERS.items()}


def test_only_hearing_predicts():
    for package, path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "predict":
                by_classifier = "classifier" in ast.unparse(node.value).lower()
                assert not by_classifier or room_of(package, path) == "hearing", path


def test_training_uses_the_products_own_steps_and_no_more():
    ground = set(GROUND["genretagger"].split())
    used = {
        room: arrows("training", room, "genretagger") - ground for room in all_rooms("training")
    }
    assert {room: rooms for room, rooms in used.items() if rooms} == {
        room: set(rooms.split()) for room, rooms in USED_BY_TRAINING.items()
    }


def test_the_product_knows_nothing_of_training_beets_or_heavy_libraries():
    heavy = {"training", "beetsplug", "beets", "tensorflow", "keras", "librosa"}
    for path in files("genretagger"):
        assert not {name.partition(".")[0] for name in imports(path)} & heavy, path


def test_only_one_module_of_training_asks_a_server_and_none_loads_streamrip():
    users = {"requests": set(), "urllib3": set(), "streamrip": set(), "mutagen": set()}
    for path in files("training"):
        for name in imports(path):
            if name.partition(".")[0] in users:
                users[name.partition(".")[0]].add(path.stem)
    asks = {"deezer"}
    assert users == {"requests": asks, "urllib3": asks, "streamrip": set(), "mutagen": set()}


def test_the_beets_plugin_reaches_public_names_only():
    for name in {n for path in files("beetsplug.genrecnn") for n in imports(path)}:
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
