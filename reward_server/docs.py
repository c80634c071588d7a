"""The OpenAPI document and the page that shows it, from files of this machine: `/docs` works without a network."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from reward_server import models

_REFS = "#/components/schemas/{model}"
# What routes read by themselves, because they bound it and name the fields at fault.
_BODIES = (
    models.ScoreRequest,
    models.VerifyRequest,
    models.JudgeRequest,
    models.ExecuteRequest,
    models.LanguageRequest,
)


def json_body(model: type[models.Request]) -> dict[str, Any]:
    """Describe the body of a route that reads it by itself."""
    schema = {"$ref": _REFS.format(model=model.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def install(app: FastAPI) -> None:
    """Serve `/openapi.json` with the bodies that routes read by themselves, and `/docs`."""
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    app.mount("/docs/assets", StaticFiles(packages=[("fastapi_offline", "static")]), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=f"{app.title} API",
            swagger_js_url="/docs/assets/swagger-ui-bundle.js",
            swagger_css_url="/docs/assets/swagger-ui.css",
            swagger_favicon_url="/docs/assets/favicon.png",
        )

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = _with_bodies(
            get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        )
    return app.openapi_schema


def _with_bodies(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for model in _BODIES:
        schema = model.model_json_schema(ref_template=_REFS)
        schemas.update({**schema.pop("$defs", {}), model.__name__: schema})
    return document
