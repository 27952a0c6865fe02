"""The reference: an ordinary script, on transformers alone.

For each of a method's two queries the image is decoded, preprocessed and encoded by the whole
vision tower, and the answer is generated with eager attention at batch 1; the coarse query keeps
every layer's whole attention (`output_attentions=True`), as the scores of the visual tokens need
it. Two tokens are generated, as `generate` does with a trained model: the letter, and the end token
that it stops at.
"""

import copy
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from PIL import Image
from torch import Tensor
from transformers import CLIPVisionModel, LlamaForCausalLM, SiglipVisionModel

from llava import Llava
from llava.prompt import Prompt
from sepm.bench.random_model import SELECT_LAYER, fill, tower_config
from sepm.bench.shapes import Shape
from sepm.bench.stages import ENCODE, LOAD, StageClock
from sepm.method.dialogue import Ask, Dialogue, Outcome, Reply


class Reference:
    """A model's weights inside transformers' own classes, both with eager attention.

    The end of the vision tower, which a script computes and nobody reads, is filled with random
    values; no other weight is added.

    Args:
        model: lends its weights, tokenizer, preprocessing and projector.
        shape: of the model.
        seed: of the random values.
    """

    def __init__(self, model: Llava, shape: Shape, seed: int) -> None:
        own_tower = model.vision_tower.vision_model
        tower_class = CLIPVisionModel if shape.tower.kind == "clip" else SiglipVisionModel
        vision_config = tower_config(shape.tower)
        language_config = copy.deepcopy(model.language_model.config)
        for config in (vision_config, language_config):
            config._attn_implementation = "eager"
        with init_empty_weights(include_buffers=False):
            tower = tower_class(vision_config)  # type: ignore[arg-type]
            language_model = LlamaForCausalLM(language_config)
        tower.load_state_dict(own_tower.state_dict(), strict=False, assign=True)
        fill(tower, model.device, own_tower.dtype, seed)
        language_model.load_state_dict(model.language_model.state_dict(), assign=True)
        language_model.to(model.device)  # type: ignore[arg-type]
        self.model, self.tower, self.language_model = model, tower.eval(), language_model.eval()

    @torch.inference_mode()
    def run(self, dialogue: Dialogue, image: Path, clock: StageClock) -> Outcome:
        """The decision of a method about an image."""
        ask = next(dialogue)
        while True:
            with clock.stage(LOAD):
                pixel_values = self.model.preprocess(Image.open(image).convert("RGB"))
            with clock.stage(ENCODE):
                visual_tokens = self._encode(torch.from_numpy(pixel_values)[None])
            prompt = self.model.tokenize(ask.query.text)
            with clock.stage(clock.prefill_stage(prompt)):
                reply = self._answer(ask, prompt, visual_tokens)
            try:
                ask = dialogue.send(reply)
            except StopIteration as stop:
                return stop.value

    def _encode(self, pixel_values: Tensor) -> Tensor:
        """Visual tokens float[1, N, D] of float32[1, 3, height, width]."""
        pixel_values = pixel_values.to(self.tower.device, self.tower.dtype)
        output: Any = self.tower(pixel_values, output_hidden_states=True)
        features = output.hidden_states[SELECT_LAYER]
        if isinstance(self.tower, CLIPVisionModel):
            features = features[:, 1:]  # without the class token
        return self.model.mm_projector(features)

    def _answer(self, ask: Ask, prompt: Prompt, visual_tokens: Tensor) -> Reply:
        """The reply to an ask over float[1, N, D], from one call of `generate`."""
        shown = [i for i in range(visual_tokens.shape[1]) if i not in set(ask.dropped)]
        generated: Any = self.language_model.generate(  # type: ignore[attr-defined]
            inputs_embeds=self._embed(prompt, visual_tokens[:, shown]),
            do_sample=False,
            min_new_tokens=2,  # letter and end: a random model does not end by itself
            max_new_tokens=2,
            output_logits=True,
            output_attentions=ask.scored_by is not None,
            return_dict_in_generate=True,
            pad_token_id=0,
        )
        text = str(self.model.prompts.tokenizer.decode(generated.sequences[0, :1])).strip()
        probs = generated.logits[0][0].float().softmax(dim=-1)
        scores = None
        if ask.scored_by is not None:
            first, num_tokens = prompt.image_position, len(shown)
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

    def _embed(self, prompt: Prompt, visual_tokens: Tensor) -> Tensor:
        """The prompt float[1, T, D] with the visual tokens in the image's place."""
        at = prompt.image_position
        embed = self.language_model.get_input_embeddings()
        before, after = (
            embed(torch.tensor([ids], device=visual_tokens.device))
            for ids in (prompt.input_ids[:at], prompt.input_ids[at + 1 :])
        )
        return torch.cat([before, visual_tokens, after], dim=1)
