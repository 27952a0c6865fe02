"""Where the page is served, and what it needs."""

from dataclasses import dataclass
from importlib.util import find_spec

from sepm.errors import InputError

THIS_MACHINE = "127.0.0.1"
FIRST_PORT, LAST_PORT = 1, (1 << 16) - 1


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Where the page is served."""

    host: str = THIS_MACHINE
    """Address to serve at; 0.0.0.0: whoever reaches this machine."""
    port: int | None = None
    """Port; unless given the first free one from 7860."""
    open: bool = False
    """Open the page in a browser."""

    def __post_init__(self) -> None:
        if self.port is not None and not FIRST_PORT <= self.port <= LAST_PORT:
            raise InputError(f"--port must be from {FIRST_PORT} to {LAST_PORT}, got {self.port}")


def require_gradio() -> None:
    """Raise `InputError` where gradio is not installed."""
    if find_spec("gradio") is None:
        raise InputError("the live page needs gradio: pip install -e '.[web]' in the checkout")
