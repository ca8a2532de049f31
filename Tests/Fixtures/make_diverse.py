"""What group beam search of transformers 4.49 finds with bigram models: diverse_beams.json.

It is the last line that has it built in; install it beside the one that the other fixtures use:

    pip install --target old --no-deps transformers==4.49.0 tokenizers==0.21.4 huggingface_hub==0.30.2
    PYTHONPATH=old python3 make_diverse.py

Left out are cases in which one of two differences between its scorer and that of transformers 5 would decide: it
compares the worst finished hypothesis with the best candidate, ended ones included, where the newer one takes the best
running beam; and when a group is complete with the last step's ends, it does not look at what reaches the greatest
length in that step. Cases in which two candidates that matter are nearer than 1e-4 are left out too.
"""
import json
from pathlib import Path

import torch
from transformers import BeamSearchScorer, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.generation import beam_search
from transformers.generation import utils as generation_utils
from transformers.modeling_outputs import CausalLMOutput

CASES = 48
PAD = 1  # suppressed: groups that are done pick it in every step.
differs = False
margin = float("inf")


class Bigram(PreTrainedModel, GenerationMixin):
    config_class = PretrainedConfig
    main_input_name = "input_ids"

    def __init__(self, config, table):
        super().__init__(config)
        self.table = torch.nn.Parameter(table)

    def forward(self, input_ids, **_):
        return CausalLMOutput(logits=self.table[input_ids])

    def prepare_inputs_for_generation(self, input_ids, **_):
        return {"input_ids": input_ids}


class Watched(BeamSearchScorer):
    def process(self, input_ids, next_scores, next_tokens, next_indices, group_index=0, **arguments):
        global differs, margin
        hypotheses = self._beam_hyps[group_index]
        was_done = bool(self._done[group_index])
        if not was_done:
            finite = next_scores[0][next_scores[0] > -1e8]
            if len(finite) > 1:
                margin = min(margin, float((finite[:-1] - finite[1:]).min()))
        result = super().process(input_ids, next_scores, next_tokens, next_indices, group_index=group_index, **arguments)
        if not was_done:
            length, prompt = input_ids.shape[-1] + 1, arguments["decoder_prompt_len"]
            best = result["next_beam_scores"].max().item()
            is_done = bool(self._done[group_index])
            differs |= is_done != hypotheses.is_done(best, length, prompt)
            differs |= is_done and length == hypotheses.max_length
            margin = min(margin, *(abs(a - b) for i, (a, *_) in enumerate(hypotheses.beams)
                                   for b, *_ in hypotheses.beams[:i]), 1)
        return result


generation_utils.BeamSearchScorer = Watched
generator = torch.Generator().manual_seed(12)


def choose(values):
    return values[int(torch.randint(len(values), (), generator=generator))]


def case(tables):
    global differs, margin
    differs, margin = False, float("inf")
    table = int(torch.randint(len(tables), (), generator=generator))
    groups, sub_width = choose([2, 2, 3, 4]), choose([1, 2, 2, 3])
    settings = {
        "groups": groups, "width": groups * sub_width, "diversity_penalty": choose([0.3, 1.0, 2.5]),
        "length_penalty": choose([-1.0, 0.0, 0.5, 1.0, 2.0]), "early_stopping": choose([True, True, False, "never"]),
        "max_tokens": choose([1, 2, 4, 7, 10]), "ends": choose([[0], [0], [0, 2, 3]]),
        "prompt": [4 + int(torch.randint(6, (), generator=generator))],
    }
    values = torch.tensor(tables[table])
    model = Bigram(PretrainedConfig(vocab_size=len(values)), values)
    answer = model.generate(
        torch.tensor([settings["prompt"]]), num_beams=settings["width"], num_beam_groups=groups, use_cache=False,
        num_return_sequences=settings["width"], diversity_penalty=settings["diversity_penalty"],
        length_penalty=settings["length_penalty"], early_stopping=settings["early_stopping"],
        max_new_tokens=settings["max_tokens"], eos_token_id=settings["ends"], pad_token_id=PAD,
        suppress_tokens=[PAD], output_scores=True, return_dict_in_generate=True)
    if differs or margin < 1e-4:
        return None
    # The scorer writes the first end for any: an ended hypothesis is compared without its last token.
    sequences = []
    for row in answer.sequences.tolist():
        tokens = row[1:]
        while tokens and tokens[-1] == PAD:
            tokens.pop()
        sequences.append(tokens[:-1] if tokens and tokens[-1] in settings["ends"] else tokens)
    scores = [round(score, 6) for score in answer.sequences_scores.tolist()]
    return {"table": table, **settings, "sequences": sequences, "scores": scores}


def main():
    tables = []
    for size in [11, 14, 17, 20]:
        scale = choose([1.0, 1.5])
        table = torch.randn(size, size, generator=generator) * scale
        table[:, 0] += 0.7
        tables.append([[round(value, 3) for value in row] for row in table.tolist()])
    cases = []
    tried = 0
    while len(cases) < CASES:
        tried += 1
        found = case(tables)
        if found:
            cases.append(found)
    print(f"{tried} tried, {len(cases)} kept")
    rows = ",\n".join(json.dumps(entry) for entry in cases)
    text = f'{{"suppressed": [{PAD}], "tables": {json.dumps(tables)}, "cases": [\n{rows}\n]}}\n'
    Path(__file__).with_name("diverse_beams.json").write_text(text)


main()
