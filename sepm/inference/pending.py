"""The dialogues' open asks: who waits for what, and what has come out.

A `place` is a dialogue's index.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sepm.method.dialogue import Ask, Dialogue, Outcome, Reply


class Desk:
    """Dialogues about images, each waiting for the reply to one ask until it ends.

    Args:
        dialogues: each with the index of its image.
    """

    def __init__(self, dialogues: Sequence[tuple[int, Dialogue]]) -> None:
        self._dialogues = [dialogue for _, dialogue in dialogues]
        self._asks = {place: next(dialogue) for place, dialogue in enumerate(self._dialogues)}
        self._places: defaultdict[int, list[int]] = defaultdict(list)
        for place, (image, _) in enumerate(dialogues):
            self._places[image].append(place)
        self._outcomes: list[tuple[int, Outcome]] = []

    @property
    def images(self) -> list[int]:
        """The images that something is asked about, in order."""
        return [i for i, places in self._places.items() if any(p in self._asks for p in places)]

    def asked(self, image: int) -> list[Ask]:
        """What is asked about an image, each ask once, in the dialogues' order.

        An ask that differs from another only in wanting no scores is answered with that one.
        """
        asks = dict.fromkeys(self._asks[p] for p in self._places[image] if p in self._asks)
        scored = {replace(ask, scored_by=None) for ask in asks if ask.scored_by}
        return [ask for ask in asks if ask not in scored]

    def reply(self, image: int, ask: Ask, reply: Reply) -> None:
        """Let the dialogues that wait for this go on to their next ask or their end."""
        unscored = replace(ask, scored_by=None)
        for place in self._places[image]:
            waiting_for = self._asks.get(place)
            if waiting_for == ask:
                self._send(place, reply)
            elif waiting_for == unscored:
                self._send(place, replace(reply, scores=None))

    def _send(self, place: int, reply: Reply) -> None:
        try:
            self._asks[place] = self._dialogues[place].send(reply)
        except StopIteration as stop:
            del self._asks[place]
            self._outcomes.append((place, stop.value))

    def take_outcomes(self) -> Iterable[tuple[int, Outcome]]:
        """Outcomes since the last time, each with the place of its dialogue."""
        taken, self._outcomes = self._outcomes, []
        return taken
