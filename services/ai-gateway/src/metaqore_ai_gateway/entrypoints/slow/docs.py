"""The API's description as a page: Swagger UI from an installed package, nothing from anywhere else."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.responses import FileResponse, HTMLResponse, Response

PAGE: Final = "/docs"

_ASSETS: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
_KEPT: Final = {"cache-control": "max-age=3600", "x-content-type-options": "nosniff"}

# Swagger UI styles its parts in place and draws with data: URLs; scripts and calls stay on this host all the same.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_HTML: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" type="image/png" href="docs/favicon.png">
</head>
<body>
<div id="description"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

# Without `validatorUrl: null` the page would send the address of the document to a server of Swagger's.
_START: Final = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#description",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis],
  validatorUrl: null,
});
"""


def with_docs(app: FastAPI) -> None:
    """Serve the page at `/docs`, and what it loads below it."""
    directory = Path(str(files("fastapi_offline"))) / "static"

    @app.get(PAGE, include_in_schema=False)
    async def page() -> HTMLResponse:
        headers = {"content-security-policy": _POLICY, "referrer-policy": "no-referrer", **_KEPT}
        return HTMLResponse(_HTML.format(title=app.title), headers=headers)

    @app.get(f"{PAGE}/start.js", include_in_schema=False)
    async def start() -> Response:
        return Response(_START, media_type="text/javascript", headers=_KEPT)

    for name, media_type in _ASSETS.items():
        _serve(app, name, directory / name, media_type)


def _serve(app: FastAPI, name: str, file: Path, media_type: str) -> None:
    @app.get(f"{PAGE}/{name}", include_in_schema=False)
    async def asset() -> FileResponse:
        return FileResponse(file, media_type=media_type, headers=_KEPT)
