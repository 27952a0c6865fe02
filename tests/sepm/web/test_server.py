"""What the page's server answers, what it refuses, and what it leaves behind: nothing."""

import os
import re
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio", reason="gradio is not installed: the extra web")

import httpx

from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError
from sepm.inference.predict import Predictor
from sepm.models.opening import OpenedModel
from sepm.web.choice import Choice
from sepm.web.options import ServerOptions
from sepm.web.server import MOST_BYTES_OF_AN_UPLOAD, serving
from sepm.web.session import Session

from .client import START, Client

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def asked_outside() -> Iterator[list[Any]]:
    """Addresses beyond this machine that anything in this process asked for."""
    asked: list[Any] = []
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def watched_connect(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "localhost", "::1"):
            asked.append(address)
        connect(self, address)

    def watched_look_up(host: Any, *arguments: Any, **named: Any) -> Any:
        if host not in (None, "127.0.0.1", "localhost", "::1", b"127.0.0.1", b"localhost"):
            asked.append(host)
        return look_up(host, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", watched_connect)
        patch.setattr(socket, "getaddrinfo", watched_look_up)
        yield asked


@pytest.fixture(scope="module")
def address(opened: OpenedModel, asked_outside: list[Any]) -> Iterator[str]:
    with serving(opened, ServerOptions(), Choice()) as address:
        yield address


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as http:
        yield http


@pytest.fixture(scope="module")
def client(address: str, http: httpx.Client, images: list[Path]) -> Client:
    """A tab that shows an image."""
    client = Client(address, http)
    assert "sepm-results" in client.take(images[0])
    return client


def uploads() -> list[Path]:
    return [path for path in Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*") if path.is_file()]


def test_an_uploads_numbers_are_those_of_sepm_predict(
    client: Client, session: Session, images: list[Path]
) -> None:
    shown = client.take(images[0])
    model, emoset = session.opened.model, load_taxonomy("emoset")
    for method in ("sepm", "zero-shot"):
        alone = Predictor(model, session.run(Choice(method=method)), emoset)(images[0])
        for p in alone.outcome.reply.probs.values():
            assert f">{p:.4f}<" in shown
    assert images[0].name in shown


def test_an_upload_is_deleted_as_soon_as_it_is_read(client: Client, images: list[Path]) -> None:
    client.take(images[0])
    assert uploads() == []
    (broken,) = client.upload(b"no image", "a.png").json()
    assert "a.png: not an image" in client.take_file({"path": broken, "orig_name": "a.png"})
    assert uploads() == []


def test_controls_are_answered_for_the_tabs_own_image(client: Client, images: list[Path]) -> None:
    other = Client(client.address, client.http)
    client.take(images[0])
    zero_shot = ("zero-shot", *START[1:])
    assert "no new prefills" in client.show(*zero_shot)
    assert "Drop an image in" in other.show(*zero_shot)


@pytest.mark.parametrize(
    ("positions", "said"),
    [
        ({3: 0.3}, "alpha (α) must be in [0, 0.25] for the population variance, got 0.3"),
        ({4: 1.5}, "drop ratio beta (β) must be in [0, 1), got 1.5"),
        ({0: "spem"}, "unknown method &#39;spem&#39;; did you mean &#39;sepm&#39;?"),
        ({2: "/etc/passwd"}, "unknown task &#39;/etc/passwd&#39;"),
        ({3: "much"}, "controls: Expected `float | null`, got `str`"),
        ({5: "x" * 501}, "the phrase may have 500 characters"),
    ],
)
def test_wrong_controls_are_told_on_the_page(
    client: Client, positions: dict[int, Any], said: str
) -> None:
    changed = [positions.get(number, value) for number, value in enumerate(START)]
    shown = client.show(*changed)
    assert 'role="alert"' in shown
    assert said in shown


def test_a_name_like_mark_up_is_shown_and_not_run(
    client: Client, images: list[Path], tmp_path: Path
) -> None:
    (uploaded,) = client.upload(images[0].read_bytes()).json()
    name = "<img src=x onerror=alert(1)>${alert(2)}\x1b.png"
    shown = client.take_file({"path": uploaded, "orig_name": name})
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown
    assert "<img src=x" not in shown
    assert r"\x1b" in shown


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        f"/gradio_api/file={ROOT}/pyproject.toml",
        "/gradio_api/file=pyproject.toml",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/file=https://example.com/a.png",
        "/gradio_api/proxy=https://a.hf.space/a.png",
        "/static/..%2f..%2f..%2fpackage.json",
        "/custom_component/1/client/component/../../../../etc/passwd",
        "/gradio_api/component_server",
        "/gradio_api/vibe-code",
        "/monitoring",
        "/gradio_api/runs",
        "/docs",
    ],
)
def test_nothing_but_the_page_is_answered(client: Client, path: str) -> None:
    refused = client.get(path)
    assert (refused.status_code, refused.text) == (404, "not part of the page")


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("place", ["file", "link"])
def test_a_file_of_the_machine_is_neither_read_nor_deleted(
    client: Client, images: list[Path], tmp_path: Path, marked: bool, place: str
) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(images[0].read_bytes())
    named = secret if place == "file" else Path(os.environ["GRADIO_TEMP_DIR"]) / "link.png"
    if place == "link":
        named.symlink_to(secret)
    file = {"path": str(named), "orig_name": "secret.png"}
    if marked:
        file["meta"] = {"_type": "gradio.FileData"}  # type: ignore[assignment]
    done = client.event("take_upload", file, *START)
    assert secret.exists()
    assert "sepm-results" not in str(done)
    assert str(tmp_path) not in str(done["output"].get("data"))
    named.unlink()


@pytest.mark.parametrize("event", ["take_upload", "show"])
def test_an_address_instead_of_an_upload_is_not_fetched(
    client: Client, event: str, asked_outside: list[Any]
) -> None:
    file = {"path": "http://example.com/a.png", "meta": {"_type": "gradio.FileData"}}
    data = [file, *START] if event == "take_upload" else [None, *START[:-1], file]
    done = client.event(event, *data)
    assert not done["success"]
    assert "addresses are not fetched" in str(done["output"])
    assert asked_outside == []


def test_a_file_beyond_the_limit_is_refused_and_not_kept(client: Client) -> None:
    assert client.upload(bytes(MOST_BYTES_OF_AN_UPLOAD + 1)).status_code == 413
    assert uploads() == []


def test_the_page_asks_its_own_server_alone(client: Client) -> None:
    page = client.get("/")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'; ")
    assert "http" not in policy
    assert re.findall(r"(?:src|href)=\"https?:[^\"]*", page.text) == []
    theme = client.get("/theme.css").text
    assert re.findall(r"@import|@font-face|url\((?!\"data:).*", theme) == []


def test_another_sites_name_for_this_machine_is_refused(client: Client) -> None:
    assert client.get("/", Host="evil.example").status_code == 400
    assert client.get("/config", Host="localhost:7860").status_code == 200


def test_no_request_left_the_machine(client: Client, asked_outside: list[Any]) -> None:
    assert client.get("/config").json()["analytics_enabled"] is False
    assert asked_outside == []


def test_it_is_bound_to_this_machine_and_leaves_nothing_behind(
    opened: OpenedModel, http: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = dict(os.environ)
    with serving(opened, ServerOptions(), Choice()) as address:
        port = int(address.rstrip("/").rsplit(":")[-1])
        client = Client(address, http)
        client.upload(b"anything")
        assert len(uploads()) == 1
        with pytest.raises(InputError, match=f"cannot be served at 127.0.0.1, port {port}"):
            serving(opened, ServerOptions(port=port), Choice()).__enter__()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", port))
    assert dict(os.environ) == before
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(httpx.ConnectError):
        client.get("/")


def test_a_start_that_is_not_possible_is_told_before_anything_is_served(
    opened: OpenedModel,
) -> None:
    with pytest.raises(InputError, match="this model has 3; give --sparsevlm-layers"):
        serving(opened, ServerOptions(), Choice(method="sparsevlm")).__enter__()
