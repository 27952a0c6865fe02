"""A browser tab without a browser: it uploads, and sets events going."""

import json
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx

Json = dict[str, Any]

START = ("sepm", "paper", "emoset", 0.1, 0.2, "Please focus on emotion.")
"""Method, preset, task, α, β and phrase of the paper's preset."""

_numbers = count()


@dataclass
class Client:
    """One tab of the page at an address."""

    address: str
    http: httpx.Client
    session: str = field(default_factory=lambda: f"tab{next(_numbers)}")

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(self.address.rstrip("/") + path, headers=headers)

    def upload(self, content: bytes, name: str = "scene.png") -> httpx.Response:
        return self.http.post(self._api("upload"), files={"files": (name, content)})

    def event(self, function: str, *data: Any) -> Json:
        """The result of an event's function, as gradio's server tells it."""
        number = self._number(function)
        body = {"data": data, "fn_index": number, "session_hash": self.session}
        joined = self.http.post(self._api("queue/join"), json=body)
        joined.raise_for_status()
        address = self._api(f"queue/data?session_hash={self.session}")
        with self.http.stream("GET", address, timeout=30) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data:")) if line else {}
                if message.get("msg") == "process_completed":
                    return message
        raise AssertionError("the stream ended before the event")

    def take(self, path: Path, *positions: Any) -> str:
        """The results of an uploaded image."""
        (uploaded,) = self.upload(path.read_bytes(), path.name).json()
        return self.take_file({"path": uploaded, "orig_name": path.name}, *positions)

    def take_file(self, file: Json, *positions: Any) -> str:
        file = {**file, "meta": {"_type": "gradio.FileData"}}
        done = self.event("take_upload", file, *(positions or START))
        return done["output"]["data"][-1]

    def show(self, *positions: Any) -> str:
        """The results at other positions of the controls."""
        done = self.event("show", None, *positions)
        return done["output"]["data"][0]

    def _number(self, function: str) -> int:
        """Number of the first event that a function answers."""
        events = self.get("/config").json()["dependencies"]
        return next(event["id"] for event in events if event["api_name"] == function)

    def _api(self, path: str) -> str:
        return f"{self.address.rstrip('/')}/gradio_api/{path}"
