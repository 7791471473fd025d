"""docs/pool.md names every option, method, statistic, state and module of the pool."""

import inspect
import re
from pathlib import Path

from polls.pool import ConnectionPool, ConnectionStatus, PoolStats, slot
from tests.support.paths import BASE_DIR

PAGE = (BASE_DIR / "docs" / "pool.md").read_text()


def section(title):
    return re.search(rf"^## {title}\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL).group(1)


def first_cells(text):
    """The names in backticks in the first column of a section's tables."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name.split("(")[0] for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_every_option_is_documented_with_its_default():
    parameters = inspect.signature(ConnectionPool).parameters.values()
    options = {parameter.name for parameter in parameters if "VAR" not in parameter.kind.name}
    assert first_cells(section("Options")) == options
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY:
            assert f"| `{parameter.name}` | `{parameter.default!r}` |" in PAGE


def test_every_method_is_documented():
    methods = {name for name, _ in inspect.getmembers(ConnectionPool, inspect.isfunction) if not name.startswith("_")}
    assert first_cells(section("Methods")) == methods


def test_every_statistic_is_documented():
    assert first_cells(section("Statistics")) == set(PoolStats.__annotations__)


def test_every_state_and_column_is_documented():
    constants = {value for name, value in vars(slot).items() if name.isupper() and isinstance(value, str)}
    states = constants - {slot.READY, slot.KEYED} | {"idle", "in use"}
    assert first_cells(section("States")) == states
    for column in ConnectionStatus.__annotations__:
        assert f"`{column}`" in section("States") or column == "state"


def test_every_module_is_documented():
    modules = {path.stem for path in Path(slot.__file__).parent.glob("*.py")}
    for module in modules - {"__init__", "errors", "options", "stats"}:
        assert f"`{module}`" in section("How it is made")
