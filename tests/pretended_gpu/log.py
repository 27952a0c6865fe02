"""Log of what the pretended GPU saw."""

from collections import Counter
from dataclasses import dataclass, field

from tests.pretended_gpu.kernels import Kernel


@dataclass(frozen=True)
class Attention:
    """One call of scaled dot-product attention."""

    kernel: Kernel
    masked: bool


@dataclass
class Log:
    """Waits, attention and memory since the device appeared."""

    waits: list[tuple[str, int]] = field(default_factory=list)
    """Reasons for which the host waited, each with the number of attention calls before it."""
    attention: list[Attention] = field(default_factory=list)
    peak: int = 0
    """Most bytes allocated at once since it was reset."""
    _tensors: Counter[int] = field(default_factory=Counter)
    _bytes: dict[int, int] = field(default_factory=dict)
    allocated: int = 0

    def wait(self, reason: str) -> None:
        self.waits.append((reason, len(self.attention)))

    def take(self, address: int, size: int) -> None:
        """A tensor appeared over a storage of so many bytes, perhaps not the first one over it."""
        self._tensors[address] += 1
        if self._tensors[address] == 1:
            self._bytes[address] = size
            self.allocated += size
            self.peak = max(self.peak, self.allocated)

    def release(self, address: int) -> None:
        """A tensor over that storage has gone."""
        self._tensors[address] -= 1
        if not self._tensors[address]:
            self.allocated -= self._bytes.pop(address)
            del self._tensors[address]

    def clear(self) -> None:
        """Forget calls and waits; memory stays taken."""
        self.waits.clear()
        self.attention.clear()
        self.peak = self.allocated
