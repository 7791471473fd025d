"""psycopg2's own test suite passes through a pool as it does without."""

import re
import subprocess
import sys

import pytest

from tests.support.paths import BASE_DIR
from tests.support.psycopg2_suite import UNAVAILABLE


@pytest.mark.slow
def test_psycopg2s_own_tests_pass_through_a_pool_as_without():
    # As scripts/psycopg2-suite does, but with the Python of this test.
    command = [sys.executable, "-m", "tests.support.psycopg2_suite"]
    result = subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True, timeout=120)
    if result.returncode == UNAVAILABLE:
        pytest.skip(result.stdout.strip())
    assert result.returncode == 0, result.stdout + result.stderr
    loans, connections = map(int, re.search(r"(\d+) loans of (\d+) connections", result.stdout).groups())
    assert loans > 10 * connections > 0
