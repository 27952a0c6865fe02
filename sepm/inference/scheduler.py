"""Open asks of many dialogues: which ask waits for a reply, and which outcomes are there."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sepm.errors import RunError
from sepm.inference.answering import PreparedAsk, prepare
from sepm.method.dialogue import Ask, Dialogue, Outcome, Reply
from sepm.models.memory import is_out_of_memory
from sepm.models.protocol import VisionLanguageModel


class Scheduler:
    """Dialogues about images, each waiting for the reply to one ask until it ends.

    Args:
        model: prepares the asks.
        dialogues: each with the index of its image; a dialogue is known by its number among them.

    Raises:
        RunError: memory does not suffice for what a dialogue computes before its first ask.
    """

    def __init__(
        self, model: VisionLanguageModel, dialogues: Sequence[tuple[int, Dialogue]]
    ) -> None:
        self._model = model
        self._prepared: dict[Ask, PreparedAsk] = {}
        self._dialogues = [dialogue for _, dialogue in dialogues]
        self._asks: dict[int, Ask] = {}
        self._numbers: defaultdict[int, list[int]] = defaultdict(list)
        self._outcomes: list[tuple[int, Outcome]] = []
        for number, (image, _) in enumerate(dialogues):
            self._numbers[image].append(number)
            self._send(number, None)

    @property
    def images(self) -> list[int]:
        """Images with an open ask, in order."""
        return [i for i, numbers in self._numbers.items() if any(n in self._asks for n in numbers)]

    def open_asks(self, image: int) -> list[PreparedAsk]:
        """Open asks about an image, each once, in the dialogues' order.

        An ask that differs from another only in wanting no scores is answered with that one.
        """
        asks = dict.fromkeys(self._asks[n] for n in self._numbers[image] if n in self._asks)
        scored = {replace(ask, scored_by=None) for ask in asks if ask.scored_by}
        return [self._prepare(ask) for ask in asks if ask not in scored]

    def _prepare(self, ask: Ask) -> PreparedAsk:
        if ask not in self._prepared:
            self._prepared[ask] = prepare(self._model, ask)
        return self._prepared[ask]

    def reply(self, image: int, ask: Ask, reply: Reply) -> None:
        """Let the dialogues that wait for this go on to their next ask or their end.

        Raises:
            RunError: memory does not suffice for what a dialogue computes by itself. It has ended
                with that, so that a smaller batch would not help.
        """
        unscored = replace(ask, scored_by=None)
        for number in self._numbers[image]:
            waiting_for = self._asks.get(number)
            if waiting_for == ask:
                self._send(number, reply)
            elif waiting_for == unscored:
                self._send(number, replace(reply, scores=None))

    def _send(self, number: int, reply: Reply | None) -> None:
        """Let a dialogue go on with the reply to its ask; None: begin."""
        dialogue = self._dialogues[number]
        try:
            self._asks[number] = next(dialogue) if reply is None else dialogue.send(reply)
        except StopIteration as stop:
            del self._asks[number]
            self._outcomes.append((number, stop.value))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise RunError(
                f"memory does not suffice for what a method computes by itself: {error} The rows "
                "before are kept. Try a smaller --batch-size"
            ) from error

    def take_outcomes(self) -> Iterable[tuple[int, Outcome]]:
        """Outcomes since the last time, each with the number of its dialogue."""
        taken, self._outcomes = self._outcomes, []
        return taken
