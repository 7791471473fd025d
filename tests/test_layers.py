"""The layers of the code: who may import whom, and where psycopg2, SQL and requests may be named."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.paths import BASE_DIR

# A module or package of polls/ belongs to one layer. It may import from its own layer and from those before it.
LAYERS: list[tuple[str, set[str]]] = [
    ("pool", {"pool"}),
    ("choices", {"choices"}),
    ("queries", {"queries"}),
    (
        "domain",
        {
            *("audit", "charts", "csv_export", "draws", "event_texts", "invite_tokens", "migrations", "models"),
            *(
                "percentages",
                "permissions",
                "privileges",
                "qr_codes",
                "receipts",
                "rate_limits",
                "sample_data",
                "slugs",
                "templatetags",
            ),
            "voters",
        },
    ),
    ("forms", {"forms"}),
    ("database", {"background", "checkpoints", "database", "together"}),
    ("monitoring", {"monitoring"}),
    ("app", {"apps", "checks"}),
    ("pages and commands", {"admin", "management", "middleware", "views"}),
    ("addresses", {"urls"}),
]
POLLS = BASE_DIR / "polls"
MODULES = sorted(path for folder in ("polls", "pollsite") for path in (BASE_DIR / folder).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """The absolute names that a module imports, `from a import b` as a.b."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # The pool is installed under another name too.
            assert node.level <= (path.parent == POLLS / "pool"), f"{path} imports relatively"
            package = "polls.pool." if node.level else ""
            found |= {f"{package}{node.module}.{alias.name}" for alias in node.names}
    return found


def part_of(path: Path) -> str:
    """The module or package directly below polls/ that a file belongs to."""
    return path.relative_to(POLLS).parts[0].removesuffix(".py")


def layers_of(part: str) -> list[int]:
    return [number for number, (_, parts) in enumerate(LAYERS) if part in parts]


def wrong_imports(part: str, imported: set[str]) -> set[str]:
    """Those of the imported names that a part of polls/ may not import."""
    [own] = layers_of(part)
    parts = {name: name.split(".")[1] for name in imported if name.startswith("polls.")}
    return {name for name, other in parts.items() if layers_of(other) and min(layers_of(other)) > own}


def test_each_module_is_in_exactly_one_layer():
    parts = {part_of(path) for path in MODULES if path.is_relative_to(POLLS)} - {"__init__"}
    assert {part: len(layers_of(part)) for part in parts} == dict.fromkeys(parts, 1)
    assert set().union(*(names for _, names in LAYERS)) == parts


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.is_relative_to(POLLS)], ids=lambda path: str(path.relative_to(BASE_DIR))
)
def test_module_imports_from_its_layer_and_those_before_it(path):
    if part_of(path) != "__init__":
        assert wrong_imports(part_of(path), imports(path)) == set()


def test_import_from_a_later_layer_is_found():
    assert wrong_imports("percentages", {"polls.views.ballot", "polls.draws", "polls.queries.polls"}) == {
        "polls.views.ballot"
    }
    assert wrong_imports("pool", {"polls.choices.State"}) == {"polls.choices.State"}
    assert wrong_imports("urls", {"polls.views.ballot"}) == set()


def test_project_imports_nothing_of_the_app():
    """But for addresses, which settings and urls name as strings."""
    wrong = {(str(path), name) for path in MODULES for name in imports(path) if name.startswith("polls.")}
    assert {path for path, _ in wrong if Path(path).is_relative_to(BASE_DIR / "pollsite")} == set()


def test_no_module_is_a_grab_bag():
    names = {path.stem for path in MODULES} | {path.parent.name for path in MODULES}
    assert names.isdisjoint({"common", "utils", "util", "helpers", "helper", "misc"})


def test_module_says_what_it_is_in_its_first_line():
    silent = {
        str(path.relative_to(BASE_DIR))
        for path in MODULES
        if path.read_text().strip()
        and "migrations" not in path.parts
        and not (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0].endswith((".", ":"))
    }
    assert silent == set()


def test_pool_is_the_standard_library_and_psycopg2():
    for path in (POLLS / "pool").glob("*.py"):
        outside = {name for name in imports(path) if name.split(".")[0] in ("django", "pollsite")}
        outside |= {name for name in imports(path) if re.match(r"polls\.(?!pool)", name)}
        assert outside == set()
        assert not re.search(r"^\s*(from|import) polls\b", path.read_text(), re.MULTILINE), path


def test_psycopg2_is_named_in_the_pool_the_data_layer_and_the_engine_only():
    homes = [POLLS / "pool", POLLS / "queries", BASE_DIR / "pollsite" / "postgres"]
    for path in MODULES:
        if not any(path.is_relative_to(home) for home in homes):
            runtime = re.sub(r"if TYPE_CHECKING:\n(?:    .*\n|\n)+", "", path.read_text())
            assert not re.search(r"^\s*(import|from) psycopg2", runtime, re.MULTILINE), path


def test_sql_stands_in_the_data_layer_and_the_migrations_only():
    statement = re.compile(r"\b(SELECT .* FROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM|COPY \w+ \()", re.DOTALL)
    homes = [POLLS / name for name in ("queries", "migrations", "pool")]
    homes.append(BASE_DIR / "pollsite" / "postgres")
    for path in MODULES:
        if not any(path.is_relative_to(home) for home in homes):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    assert not statement.search(node.value), f"{path}: {node.value}"


def interpolated(source: str) -> set[str]:
    """What the f-strings of a module put into SQL constants, as source code."""
    found = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            fields = [field for field in ast.walk(node.value) if isinstance(field, ast.FormattedValue)]
            found |= {ast.unparse(field.value) for field in fields}
    return found


def test_statements_are_put_together_from_constants_only():
    """Values are parameters: the linter's rule against SQL injection is off in the data layer, and this is on."""
    for path in (POLLS / "queries").glob("*.py"):
        source = path.read_text()
        assert {name for name in interpolated(source) if not name.isidentifier() or not name.isupper()} == set()
        functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
        inside = [node for function in functions for node in ast.walk(function) if isinstance(node, ast.JoinedStr)]
        assert inside == [], path
    assert interpolated('A = f"SELECT {name} FROM {TABLE}"') == {"name", "TABLE"}


def test_requests_are_known_to_views_admin_and_middleware_only():
    for path in MODULES:
        if path.relative_to(BASE_DIR).parts[1].removesuffix(".py") not in ("views", "admin", "middleware"):
            nodes = list(ast.walk(ast.parse(path.read_text())))
            names = {node.id for node in nodes if isinstance(node, ast.Name)}
            names |= {node.arg for node in nodes if isinstance(node, ast.arg)}
            assert "request" not in names, path


def test_module_is_one_thing():
    long = {path.name: lines for path in MODULES if (lines := len(path.read_text().splitlines())) > 320}
    long.pop("pool.py")  # all that callers use,
    long.pop("state.py")  # and all that is decided under one lock
    assert long == {}


def test_architecture_shows_the_layers_in_their_order():
    text = (BASE_DIR / "docs" / "architecture.md").read_text()
    places = [text.find(f"| {name} |") for name, _ in LAYERS]
    assert -1 not in places
    assert places == sorted(places)
    for name, parts in LAYERS:
        [row] = [line for line in text.splitlines() if f"| {name} |" in line]
        assert {part for part in parts if f"`polls/{part}" not in row} == set()
