#!/usr/bin/env python3
"""Run a management command of the site."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pollsite.settings")
    from django.core.management import execute_from_command_line

    from pollsite.postgres.error_messages import EXPECTED, one_line_message

    try:
        execute_from_command_line(sys.argv)
    except EXPECTED as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(one_line_message(error))
    except KeyboardInterrupt:
        sys.exit(130)  # the status that shells give to a program ended by Ctrl-C


if __name__ == "__main__":
    main()
