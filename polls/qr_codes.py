"""QR codes as SVG: black on white in any colour scheme, with the margin that readers need."""

import io
from typing import Any, Final

import segno

STYLE: Final[dict[str, Any]] = {
    "omitsize": True,
    "dark": "#000",
    "light": "#fff",
    "svgclass": None,
    "lineclass": None,
}


def qr_element(url: str) -> str:
    """Return the QR code of an address as an SVG element, to stand inside HTML."""
    return _encode(url).svg_inline(**STYLE)


def qr_file(url: str) -> bytes:
    """Return the QR code of an address as an SVG file."""
    file = io.BytesIO()
    _encode(url).save(file, kind="svg", xmldecl=False, **STYLE)
    return file.getvalue()


def _encode(url: str) -> segno.QRCode:
    return segno.make(url, error="m", micro=False)
