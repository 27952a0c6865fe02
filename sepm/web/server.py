"""The page's server: bound to this machine unless asked, and closed to all but the page itself.

Gradio's server can do more than this page needs: serve files, fetch addresses, log in, edit
programs. `OnlyThePage` lets through what the page asks for, and its content security policy keeps
the browser from asking anybody else.
"""

import asyncio
import errno
import logging
import os
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr
from gradio.themes.default import Default
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sepm.errors import InputError
from sepm.models.opening import OpenedModel
from sepm.terminal import show
from sepm.web import demo
from sepm.web.choice import Choice
from sepm.web.options import ServerOptions
from sepm.web.page import Page, build
from sepm.web.session import Session

MOST_BYTES_OF_AN_UPLOAD = 32 << 20
MOST_WAITING = 16
"""Positions of controls that may wait for the model."""
MOST_TABS = 32
"""Browser tabs whose image is remembered."""
UPLOADS_KEPT = (300, 900)
"""Uploads that no event took are looked for every so many seconds, and deleted at such an age."""

PORTS = range(7860, 7960)
"""Looked through for a free one."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")

PATHS = frozenset({"/", "/config", "/theme.css", "/favicon.ico", "/manifest.json"})
API_PATHS = frozenset(
    {"upload", "upload_progress", "queue/join", "queue/data", "run/predict", "cancel", "reset"}
    | {"startup-events", "info", "theme.css"}
)
FOLDERS = ("/assets/", "/static/", "/gradio_api/heartbeat/")

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

FONTS = ("system-ui", "sans-serif")
MONOSPACE = ("ui-monospace", "monospace")
"""Fonts of the visitor's own machine."""


class OnlyThePage:
    """Middleware that answers 404 to every request that the page does not make."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if scope["type"] == "http" and not is_of_the_page(scope["path"]):
            await PlainTextResponse("not part of the page", 404)(scope, receive, send_with_headers)
        elif scope["type"] != "websocket":
            await self.app(scope, receive, send_with_headers)


def is_of_the_page(path: str) -> bool:
    """Whether the page itself asks for a path."""
    known = path in PATHS or path.removeprefix("/gradio_api/") in API_PATHS - PATHS
    return known or (path.startswith(FOLDERS) and ".." not in path)


@contextmanager
def serving(
    opened: OpenedModel,
    options: ServerOptions,
    choice: Choice,
    settings: Mapping[str, Any] | None = None,
) -> Iterator[str]:
    """The page's address, served inside; afterwards nothing of it is left.

    Args:
        opened: the model.
        options: where it is served.
        choice: where the controls stand at first.
        settings: settings of the method that hold under every preset; they have no control.

    Raises:
        InputError: the settings are wrong, or the address cannot be served at.
    """
    held = {**demo.SETTINGS, **(settings or {})} if demo.is_demo(opened) else settings
    scenes = demo.scenes() if demo.is_demo(opened) else []
    port = _free_port(options)
    session = Session(opened, held, choice.task)
    with (
        tempfile.TemporaryDirectory(prefix="sepm-web-") as folder,
        _environment(GRADIO_TEMP_DIR=folder, GRADIO_ANALYTICS_ENABLED="False"),
    ):
        page = Page(session, choice, Path(folder), scenes)
        blocks = asyncio.run(_started(page, options, port))
        try:
            yield str(blocks.local_url)
        finally:
            _close(blocks)


def serve(
    opened: OpenedModel,
    options: ServerOptions,
    choice: Choice,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Serve the page until it is interrupted or terminated.

    The arguments are those of `serving`, and so are the errors.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with serving(opened, options, choice, settings) as address, suppress(KeyboardInterrupt):
            show(f"{address}   (Ctrl-C ends it)")
            Event().wait()
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Gradio's settings, which it reads from the environment alone, put back afterwards."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _free_port(options: ServerOptions) -> int:
    """The port asked for, or the first free one.

    Raises:
        InputError: it is taken, or the address is none of this machine's.
    """
    ports = PORTS if options.port is None else (options.port,)
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    for port in ports:
        try:
            socket.create_server((options.host, port), family=family).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE and port != ports[-1]:
                continue
            reason = error.strerror or error
            where = f"{options.host}, port {port}"
            raise InputError(f"the page cannot be served at {where}: {reason}") from error
        return port
    raise AssertionError("there are ports")


def _close(blocks: gr.Blocks) -> None:
    """End the server at once and without a word, although open tabs still listen to it."""
    log = logging.getLogger("uvicorn.error")
    level = log.level
    log.setLevel(logging.CRITICAL)
    blocks.server.force_exit = True
    blocks.close(verbose=False)
    log.setLevel(level)


async def _started(page: Page, options: ServerOptions, port: int) -> gr.Blocks:
    """The page, served. An event loop runs meanwhile, else gradio makes some and closes none."""
    blocks = build(page, UPLOADS_KEPT).queue(max_size=MOST_WAITING)
    hosts = [*LOOPBACK, "[::1]"] if options.host in LOOPBACK else ["*"]
    guards = [Middleware(TrustedHostMiddleware, allowed_hosts=hosts), Middleware(OnlyThePage)]
    blocks.launch(
        server_name=options.host,
        server_port=port,
        inbrowser=options.open,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        inline=False,
        run_history=False,
        footer_links=[],
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        num_workers=0,
        max_file_size=MOST_BYTES_OF_AN_UPLOAD,
        state_session_capacity=MOST_TABS,
        app_kwargs={"middleware": guards},
        theme=Default(font=FONTS, font_mono=MONOSPACE, primary_hue="blue"),
        css_paths=Path(__file__).parent / "templates" / "page.css",
    )
    return blocks
