#!/bin/sh
# The other scripts source this file. It changes to the root of the checkout, and make_venv installs requirements files
# into .venv. It needs sh and Python, and says in one line what is missing. PYTHON may name the Python that makes a
# virtual environment; one that is there already stays.
# shellcheck shell=sh

unset PYTHONPATH PYTHONHOME

fail() {
    echo "$*" >&2
    exit 1
}

# setting NAME DEFAULT: print the value from the environment, or from .env, or the default.
setting() {
    eval "value=\${$1:-}"
    [ -n "$value" ] || value=$(sed -n "s/^ *$1 *= *//p" .env 2>/dev/null | tail -n 1 | tr -d "\"' ")
    echo "${value:-$2}"
}

# find_python: set $python to the Python that PYTHON names, or else to one that is new enough.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- python3 python3.14 python3.13 python3.12 python3.11 python3.10
    fi
    for python; do
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && return
    done
    fail "Python 3.10 or newer is needed, and $1 is $("$1" -V 2>/dev/null || echo missing):" \
        "install one (Debian and Ubuntu: apt-get install python3 python3-venv)."
}

# find_python_with_venv: set $python to a Python that can also make a virtual environment.
find_python_with_venv() {
    find_python
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "This Python cannot make a virtual environment:" \
            "install ${python##*/}-venv (Debian and Ubuntu: apt-get install ${python##*/}-venv)."
}

# ready FILE...: succeed if .venv holds what these requirements files name. The import fails if the Python behind .venv
# was replaced.
ready() {
    [ ! -e .venv/unfinished ] && .venv/bin/python -c 'import django' 2>/dev/null || return
    for file; do
        cmp -s "$file" ".venv/$file" || return
    done
}

# make_venv FILE...: install these requirements files into .venv, one process at a time. The file `unfinished` stays
# after an interrupted run, and the next run starts over. The lock belongs to descriptor 9, which pip inherits, so it
# lasts as long as pip does, even if this shell is killed.
make_venv() {
    ready "$@" && return
    find_python_with_venv
    echo "Installing into .venv, which takes about a minute ..."
    exec 9>var/lock
    "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
    if ! ready "$@"; then
        if [ -e .venv/unfinished ] || ! .venv/bin/python -c 'import pip' 2>/dev/null; then
            rm -rf .venv
        fi
        mkdir -p .venv
        : >.venv/unfinished
        # shellcheck disable=SC2046 # the names of the files have no spaces
        {
            { [ -e .venv/bin/python ] || "$python" -m venv .venv; } &&
                PIP_USER=0 .venv/bin/python -m pip install --disable-pip-version-check --no-input \
                    --only-binary=:all: $(printf -- '-r %s ' "$@")
        } >var/setup.log 2>&1 ||
            fail "Installing failed; is the network up? $(grep -i error var/setup.log | tail -n 1) (more: var/setup.log)"
        cp "$@" .venv
        rm .venv/unfinished
    fi
    exec 9>&-
}

CDPATH='' cd -- "$(dirname -- "$0")/.." || exit
if ! { mkdir -p var && [ -w . ] && [ -w var ]; } 2>/dev/null; then
    fail "No permission to write in $PWD: run this as the owner of the checkout, or in a checkout of your own."
fi
