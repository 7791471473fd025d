"""The pool as a package of its own: what its wheel holds, and that it works where nothing else of the site is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import polls.pool
from tests.support.paths import BASE_DIR

SOURCE = BASE_DIR / "polls" / "pool"
NO_NETWORK = re.compile(r"from versions: none|ConnectionError|NewConnectionError|Temporary failure")

# Says what comes with an import, and what the package is in its metadata.
PROGRAM = """
import sys
before = set(sys.modules)
import psycopg2_bounded_pool as package
new = {name.partition(".")[0] for name in set(sys.modules) - before}
from importlib.metadata import distribution
found = distribution("psycopg2-bounded-pool")
print(sorted(new - set(sys.stdlib_module_names)))
print(sorted(str(path) for path in found.files if path.suffix != ".pyc"))
print(found.metadata["License-Expression"], found.metadata.get_all("Requires-Dist"))
print(package.ConnectionPool(0, 1, name="mine"))
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(polls.pool.__name__ != "polls.pool", reason="the pool under test is installed already"),
]


def run(*command: str | Path, cwd: Path = BASE_DIR) -> str:
    """Run a command to its end, and return what it printed; skip the test if it cannot reach the package index."""
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    said = result.stdout + result.stderr
    if result.returncode and NO_NETWORK.search(said):
        pytest.skip(f"it installs packages, and there is no network: {said.strip().splitlines()[-1]}")
    assert result.returncode == 0, said
    return result.stdout


def files() -> set[Path]:
    return {path for path in SOURCE.rglob("*") if "__pycache__" not in path.parts}


def test_package_is_complete_and_needs_psycopg2_only(tmp_path):
    before = files()
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    run(python, "-m", "pip", "install", "--retries=1", "--no-input", "./polls/pool")
    assert files() == before
    imported, installed, metadata, pool = run(python, "-I", "-c", PROGRAM, cwd=tmp_path).splitlines()
    assert imported == "['psycopg2', 'psycopg2_bounded_pool']"
    names = {path.name for path in SOURCE.glob("*.py")} | {"py.typed"}
    found = re.findall(r"'([^']+)'", installed)
    assert {name for name in found if ".dist-info/" not in name} == {f"psycopg2_bounded_pool/{name}" for name in names}
    assert {name.partition(".dist-info/")[2] for name in found} >= {"METADATA", "licenses/LICENSE"}
    assert metadata == "BSD-3-Clause ['psycopg2-binary>=2.9']"
    assert pool.startswith("<ConnectionPool 'mine'")


def test_tests_of_the_pool_run_on_the_installed_package():
    said = run(BASE_DIR / "scripts" / "test-pool-package", "-k", "test_contract or test_forks")
    assert re.search(r"^pool: /tmp/\S+/site-packages/psycopg2_bounded_pool/__init__\.py$", said, re.MULTILINE)
    assert re.search(r"^=+ \d{2} passed, \d+ deselected", said, re.MULTILINE)
