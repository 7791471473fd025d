"""The house: who may import whom, and where psycopg2, SQL and requests stand."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.paths import BASE_DIR

# Each may import from those before it only; what is not named here may be imported by the later ones.
LAYERS = [
    *("pool", "queries", "models", "processes", "metrics", "publishing", "checks", "apps", "status", "tables"),
    *("views", "admin", "management", "urls"),
]
MODULES = sorted(path for folder in ("polls", "pollsite") for path in (BASE_DIR / folder).rglob("*.py"))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def layer(path: Path) -> str:
    return path.relative_to(BASE_DIR / "polls").parts[0].removesuffix(".py")


@pytest.mark.parametrize("name", LAYERS)
def test_layer_imports_from_those_before_it_only(name):
    later = LAYERS[LAYERS.index(name) + 1 :]
    forbidden = re.compile(rf"polls\.({'|'.join(later)})(\.|$)") if later else re.compile("(?!)")
    wrong = {
        f"{path.relative_to(BASE_DIR)} imports {imported}"
        for path in MODULES
        if path.is_relative_to(BASE_DIR / "polls") and layer(path) == name
        for imported in imports(path)
        if forbidden.match(imported)
    }
    assert wrong == set()


def test_pool_is_the_standard_library_and_psycopg2():
    for path in (BASE_DIR / "polls" / "pool").glob("*.py"):
        outside = {name for name in imports(path) if name.split(".")[0] in ("django", "pollsite")}
        outside |= {name for name in imports(path) if re.match(r"polls\.(?!pool)", name)}
        assert outside == set()


def test_psycopg2_is_named_in_the_pool_the_data_layer_and_the_engine_only():
    homes = [BASE_DIR / "polls" / "pool", BASE_DIR / "polls" / "queries", BASE_DIR / "pollsite" / "postgres"]
    for path in MODULES:
        if not any(path.is_relative_to(home) for home in homes):
            runtime = re.sub(r"if TYPE_CHECKING:\n(?:    .*\n|\n)+", "", path.read_text())
            assert not re.search(r"^\s*(import|from) psycopg2", runtime, re.MULTILINE), path


def test_sql_stands_in_the_data_layer_and_the_migrations_only():
    statement = re.compile(r"\b(SELECT .* FROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM|COPY \w+ \()", re.DOTALL)
    homes = [BASE_DIR / "polls" / name for name in ("queries", "migrations", "pool")]
    homes.append(BASE_DIR / "pollsite" / "postgres")
    for path in MODULES:
        if not any(path.is_relative_to(home) for home in homes):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    assert not statement.search(node.value), f"{path}: {node.value}"


def test_requests_are_known_to_views_and_admin_only():
    for path in MODULES:
        if path.relative_to(BASE_DIR).parts[1].removesuffix(".py") not in ("views", "admin"):
            nodes = list(ast.walk(ast.parse(path.read_text())))
            names = {node.id for node in nodes if isinstance(node, ast.Name)}
            names |= {node.arg for node in nodes if isinstance(node, ast.arg)}
            assert "request" not in names, path


def test_module_is_one_thing():
    long = {path.name: lines for path in MODULES if (lines := len(path.read_text().splitlines())) > 320}
    assert long == {}
