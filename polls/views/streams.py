"""Long answers, part by part.

A generator of parts takes the pool's connection for the reading of one part at a time, never while it yields: whoever
reads slowly holds a thread of the server, and no connection.
"""

from collections.abc import Iterator
from itertools import chain

from django.http import HttpRequest, StreamingHttpResponse


def streamed(
    request: HttpRequest, parts: Iterator[bytes], content_type: str, filename: str, *, length: int | None = None
) -> StreamingHttpResponse:
    """Answer with a file to be saved. Its first part is read now: where the database is away, the answer is 503."""
    first = next(parts, b"")
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    if length is not None:
        headers["Content-Length"] = str(length)
    body = iter(()) if request.method == "HEAD" else chain((first,), parts)
    return StreamingHttpResponse(body, content_type=f"{content_type}; charset=utf-8", headers=headers)
