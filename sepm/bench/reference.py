"""The reference: an ordinary script, on transformers alone.

For each of a method's two queries the image is decoded, preprocessed and encoded by the whole
vision tower, and the answer is generated with eager attention at batch 1; the coarse query keeps
every layer's whole attention (`output_attentions=True`), as the scores of the visual tokens need
it. Two tokens are generated, as `generate` does with a trained model: the letter, and the end token
that it stops at.
"""

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import CLIPVisionModel

from sepm.bench.stages import ENCODE, LOAD, StageClock
from sepm.inference.unbatched import run_dialogue
from sepm.method.dialogue import Ask, Dialogue, Outcome, Reply
from sepm.models.protocol import Prompt, VisionLanguageModel
from sepm.models.transformers_parts import TransformersParts


class Reference:
    """A model's parts inside transformers' own classes; the model itself only prepares inputs."""

    def __init__(self, model: VisionLanguageModel, parts: TransformersParts) -> None:
        self.model, self.parts = model, parts

    @torch.inference_mode()
    def run(self, dialogue: Dialogue, image: Path, clock: StageClock) -> Outcome:
        """The decision of a method about an image."""

        def answer(ask: Ask) -> Reply:
            with clock.stage(LOAD):
                pixel_values = self.model.preprocess(Image.open(image).convert("RGB"))
            with clock.stage(ENCODE):
                visual_tokens = self._encode(torch.from_numpy(pixel_values)[None])
            prompt = self.model.tokenize(ask.query.text)
            with clock.stage(clock.prefill_stage(prompt)):
                return self._answer(ask, prompt, visual_tokens)

        return run_dialogue(dialogue, answer)

    def _encode(self, pixel_values: Tensor) -> Tensor:
        """Visual tokens float[1, N, D] of float32[1, 3, height, width]."""
        tower = self.parts.vision_tower
        output: Any = tower(pixel_values.to(tower.device, tower.dtype), output_hidden_states=True)
        features = output.hidden_states[self.parts.select_layer]
        if isinstance(tower, CLIPVisionModel):
            features = features[:, 1:]  # without the class token
        return self.parts.projector(features)

    def _answer(self, ask: Ask, prompt: Prompt, visual_tokens: Tensor) -> Reply:
        """The reply to an ask over float[1, N, D], from one call of `generate`."""
        shown = [i for i in range(visual_tokens.shape[1]) if i not in set(ask.dropped)]
        generated: Any = self.parts.language_model.generate(  # type: ignore[attr-defined]
            inputs_embeds=self.parts.splice([prompt], visual_tokens[:, shown]),
            do_sample=False,
            min_new_tokens=2,  # letter and end: a random model does not end by itself
            max_new_tokens=2,
            output_logits=True,
            output_attentions=ask.scored_by is not None,
            return_dict_in_generate=True,
            pad_token_id=0,
        )
        text = str(self.parts.tokenizer.decode(generated.sequences[0, :1])).strip()
        probs = generated.logits[0][0].float().softmax(dim=-1)
        scores = None
        if ask.scored_by is not None:
            first, num_tokens = prompt.num_text_tokens - prompt.num_tokens_after_image, len(shown)
            rows = [position + num_tokens - 1 for position in prompt.positions_of(*ask.scored_by)]
            last_layer = generated.attentions[0][-1][0].float()  # [H, T, T]
            attention = last_layer[:, rows, first : first + num_tokens]
            scores = tuple(attention.mean(dim=(0, 1)).tolist())  # Eq. 8
        return Reply(
            letter=text if text in ask.key.letters else None,
            text=text,
            probs={letter: float(probs[self.model.option_id(letter)]) for letter in ask.options},
            scores=scores,
        )
