"""What a contributor relies on: the package, its pins, its hooks, and documents that name files that exist."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from tests.support.paths import BASE_DIR as ROOT

FOLDERS = ("polls", "pollsite", "tests", "docs", "scripts", "benchmarks", ".ci")
POOL = ROOT / "polls" / "pool"
DOCUMENTS = sorted(
    str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), POOL / "README.md"]
)
REQUIREMENTS = (
    "requirements.txt",
    "requirements-dev.txt",
    "benchmarks/requirements.txt",
    "benchmarks/servers/requirements.txt",
)

FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`]+)`")
# A file at the root, which a document names without a folder.
ROOT_FILE = re.compile(
    r"LICENSE|[A-Z]+\.md|manage\.py|pyproject\.toml|requirements[\w-]*\.txt|\.(env|pre|editor)[\w.-]+"
)
IN_FOLDER = re.compile(rf"(?:{'|'.join(map(re.escape, FOLDERS))})/\S*")
IN_FENCE = re.compile(rf"(?<![\w./-])(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]+\.(?:py|sql|md)\b")
PATTERN = re.compile(r"[<>*…]|\.\.\.")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def hooks() -> list[dict[str, Any]]:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    return [{"repo": repository["repo"], **hook} for repository in config["repos"] for hook in repository["hooks"]]


def requirements(path: str) -> list[str]:
    lines = (line.partition(" #")[0].strip() for line in (ROOT / path).read_text().splitlines())
    return [line for line in lines if line and not line.startswith(("#", "-r "))]


def texts() -> Iterator[Path]:
    """Every text file of the project, without what tools and the site leave beside them."""
    suffixes = {".css", ".html", ".js", ".md", ".po", ".py", ".sh", ".sql", ".toml", ".txt", ".yaml"}
    for path in [*ROOT.iterdir(), *(path for name in FOLDERS for path in (ROOT / name).rglob("*"))]:
        if path.suffix in suffixes and path.is_file() and ".venv" not in path.relative_to(ROOT).parts:
            yield path


def named_paths(text: str) -> Iterator[str]:
    """The paths that a document names in code, relative to the root; patterns such as `polls/<name>.py` are none."""
    words = [word for code in CODE.findall(FENCE.sub("", text)) for word in code.split()]
    words = [word for word in words if IN_FOLDER.fullmatch(word) or ROOT_FILE.fullmatch(word)]
    words += [word for fence in FENCE.findall(text) for word in IN_FENCE.findall(fence)]
    # Without a line number, or the name of a test: path.py:24, path.py::test_name.
    yield from (re.sub(r"(\.\w+):.*", r"\1", word).rstrip(",;:") for word in words if not PATTERN.search(word))


def linked_paths(text: str) -> Iterator[str]:
    """The paths that a document links to, relative to the document."""
    for target in LINK.findall(FENCE.sub("", text)):
        path = target.partition("#")[0]
        if path and not re.match(r"[a-z]+:", target):
            yield path


def missing_paths(text: str, folder: Path) -> set[str]:
    """The paths that a document in this folder names and that do not exist."""
    named = {path for path in named_paths(text) if not (ROOT / path).exists()}
    return named | {path for path in linked_paths(text) if not (folder / path).exists()}


def test_version_stands_in_pyproject_only():
    version = project()["project"]["version"]
    stands = re.compile(rf"(?<![\w.=]){re.escape(version)}(?!\.?\d)")
    # The changelog names the version of each release.
    found = {str(path.relative_to(ROOT)): len(stands.findall(path.read_text())) for path in texts()}
    assert {path: count for path, count in found.items() if count and path != "CHANGELOG.md"} == {"pyproject.toml": 1}


def test_wheel_has_every_file_of_the_site():
    patterns = project()["tool"]["setuptools"]["package-data"]
    packed = {path for package in patterns for pattern in patterns[package] for path in (ROOT / package).glob(pattern)}
    files = {path for name in ("polls", "pollsite") for path in (ROOT / name).rglob("*") if path.is_file()}
    data = {path for path in files if path.suffix not in (".py", ".pyc")}
    of_the_pool = {POOL / name for name in ("LICENSE", "README.md", "pyproject.toml")}  # for a wheel of its own
    assert data - packed == of_the_pool
    # A module goes into the wheel if its folder, and each above it, is a package.
    parents = {parent for path in files if path.suffix == ".py" for parent in path.relative_to(ROOT).parents[:-1]}
    assert {str(parent) for parent in parents if not (ROOT / parent / "__init__.py").exists()} == set()


def test_oldest_python_is_the_one_that_is_named_to_users():
    metadata = project()["project"]
    oldest = metadata["requires-python"].removeprefix(">=")
    assert f"Programming Language :: Python :: {oldest}" in metadata["classifiers"]
    for document in ("README.md", "CONTRIBUTING.md"):
        assert f"Python {oldest} or newer" in (ROOT / document).read_text()


@pytest.mark.parametrize("path", REQUIREMENTS)
def test_every_requirement_is_pinned(path):
    pin = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w,-]+\])?==[\w.]+(; python_version < \"[\d.]+\")?")
    assert requirements(path)
    assert [line for line in requirements(path) if not pin.fullmatch(line)] == []


def test_every_direct_dependency_has_its_reason():
    direct = (ROOT / "requirements.txt").read_text().partition("\n\n")[0]
    names = [line.partition("==")[0] for line in direct.splitlines() if "==" in line]
    decisions = (ROOT / "docs" / "decisions.md").read_text()
    assert names
    assert [name for name in names if not re.search(rf"(?<![\w-]){name}(?![\w-])", decisions, re.IGNORECASE)] == []


def test_hooks_are_local_and_run_what_scripts_check_runs():
    check = (ROOT / "scripts" / "check").read_text()
    assert len(hooks()) > 4
    for hook in hooks():
        assert (hook["repo"], hook["language"]) == ("local", "system")
        program = hook["entry"].partition(" --")[0]
        assert program in check
    # Another version of Django would be another format.
    assert {*re.findall(r"--target-version \S+", check)} == {
        option for hook in hooks() for option in re.findall(r"--target-version \S+", hook["entry"])
    }


def test_license_names_the_year_and_the_authors():
    text = (ROOT / "LICENSE").read_text()
    assert "Copyright (c) 2026, the pollsite authors" in text
    assert project()["project"]["license"] == "BSD-3-Clause"
    assert text.startswith("BSD 3-Clause License")
    assert (POOL / "LICENSE").read_text() == text


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_in_a_document_exists(document):
    path = ROOT / document
    assert missing_paths(path.read_text(), path.parent) == set()


BAD = {
    "a link": ("See [the pool](pool.md) and [no page](no-page.md#here).", "no-page.md"),
    "code": ("`polls/pool/`, `polls/no_module.py`, `polls/views/<noun>.py`, `tests/test_*.py`", "polls/no_module.py"),
    "a command": ("Run `scripts/test tests/no_folder/test_none.py::test_it`.", "tests/no_folder/test_none.py"),
    "a file at the root": ("`README.md` and `NONE.md`", "NONE.md"),
    "captured output": ("```\nheld, taken at polls/apps.py:7, polls/views/none.py:24\n```", "polls/views/none.py"),
    "a block in a list": ("1. Run\n\n   ```sh\n   scripts/test tests/none.py\n   ```\n", "tests/none.py"),
}


@pytest.mark.parametrize("where", BAD)
def test_path_that_does_not_exist_is_found_in(where):
    text, path = BAD[where]
    assert missing_paths(text, ROOT / "docs") == {path}
