"""What transformers answers on the tiny models, decoding/*.json: make_decoding.py [beams|processors|contrastive ...]

Every case is drawn by a seed of its own. Where rounding could decide it, it is thrown out and the next seed is taken.

Longer than 400 lines because the three searches share how a case is drawn, run and judged.
"""
import copy, json, math, random, sys
from collections import Counter
from functools import cache
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, LogitsProcessor, LogitsProcessorList
from transformers.generation import logits_process as hf

HERE = Path(__file__).parent
MODELS = sorted(path.parent.name for path in HERE.glob("models/*/hf"))
VOCAB, CONTEXT = 300, 256
BEAM_CASES, GREEDY_CASES, CONTRASTIVE_CASES = 600, 340, 40
# Margins in nats: of sums for beams (whose float32 rounding alone is 4e-6 a step), of scores and of ranks otherwise.
MIN_BEAM_MARGIN, MIN_GREEDY_MARGIN, MIN_CONTRASTIVE_MARGIN = 1e-4, 1e-4, 1e-5
SCOUTED_STEPS = 16
PROCESSORS = ["repetition_penalty", "no_repeat_ngram_size", "logit_bias", "bad_words_ids", "min_new_tokens",
              "allowed_token_ids", "exponential_decay_length_penalty", "suppress_tokens", "presence_penalty",
              "frequency_penalty"]
LENGTHS = [1, 2, 4, 6, 8, 12, 16, 24, 32, 40]


class TextPenalty(LogitsProcessor):
    """OpenAI's presence and frequency penalties, over the generated tokens."""

    def __init__(self, presence, frequency, prompt_count):
        self.presence, self.frequency, self.prompt_count = presence, frequency, prompt_count

    def __call__(self, input_ids, scores):
        text = input_ids[:, self.prompt_count:]
        counts = torch.zeros_like(scores).scatter_add_(1, text, torch.ones_like(text, dtype=scores.dtype))
        return scores - (self.presence * (counts > 0) + self.frequency * counts)


@cache
def model(name, dtype=torch.float32):
    if dtype != torch.float32:
        return copy.deepcopy(model(name)).to(dtype)
    path = HERE / "models" / name / "hf"
    return AutoModelForCausalLM.from_pretrained(path, dtype=dtype, attn_implementation="eager").eval()


def rounded(x):
    return float(f"{x:.9g}")


# MARK: transformers

def own_processors(case):
    penalties = case.get("presence_penalty", 0.0), case.get("frequency_penalty", 0.0)
    return [TextPenalty(*penalties, len(case["prompt"]))] if any(penalties) else []


def generate(case, **more):
    """What `generate` makes of a case: the returned texts, EOS kept, padding removed, and all it says."""
    allowed = case.get("allowed_token_ids")
    arguments = {key: case[key] for key in (
        "eos_token_id", "max_new_tokens", "num_beams", "num_return_sequences", "length_penalty", "early_stopping",
        "repetition_penalty", "no_repeat_ngram_size", "bad_words_ids", "min_new_tokens", "suppress_tokens",
        "exponential_decay_length_penalty") if key in case}
    if bias := case.get("logit_bias"):
        arguments["sequence_bias"] = [[[token], value] for token, value in bias]
    prompt = torch.tensor([case["prompt"]])
    result = model(case["model"]).generate(
        prompt, attention_mask=torch.ones_like(prompt), do_sample=False, use_cache=False,
        return_dict_in_generate=True, output_scores=True, logits_processor=LogitsProcessorList(own_processors(case)),
        prefix_allowed_tokens_fn=(lambda batch, ids: allowed) if allowed else None, **arguments, **more)
    return [until_end(row[prompt.shape[1]:].tolist(), case["eos_token_id"]) for row in result.sequences], result


def until_end(tokens, ends):
    stop = next((i for i, token in enumerate(tokens) if token in ends), len(tokens) - 1)
    return tokens[:stop + 1]


def processors(case):
    """The same processors, in transformers' order, for scores of any precision."""
    ends, count, result = case["eos_token_id"], len(case["prompt"]), []
    end_tensor = torch.tensor(ends, dtype=torch.long)
    if value := case.get("logit_bias"):
        result.append(hf.SequenceBiasLogitsProcessor([[[token], bias] for token, bias in value]))
    if value := case.get("repetition_penalty"):
        result.append(hf.RepetitionPenaltyLogitsProcessor(value))
    if value := case.get("no_repeat_ngram_size"):
        result.append(hf.NoRepeatNGramLogitsProcessor(value))
    if value := case.get("bad_words_ids"):
        result.append(hf.NoBadWordsLogitsProcessor(value, end_tensor))
    if (value := case.get("min_new_tokens")) and ends:
        result.append(hf.MinNewTokensLengthLogitsProcessor(count, value, end_tensor))
    if allowed := case.get("allowed_token_ids"):
        result.append(hf.PrefixConstrainedLogitsProcessor(lambda batch, ids: allowed, 1))
    if (value := case.get("exponential_decay_length_penalty")) and ends:
        result.append(hf.ExponentialDecayLengthPenalty(value, end_tensor, count))
    if value := case.get("suppress_tokens"):
        result.append(hf.SuppressTokensLogitsProcessor(value))
    return LogitsProcessorList(result + own_processors(case))


# MARK: The search again, in float64, for its margins

class Margins:
    """The smallest distance at any decision that could have changed the answer, in nats of a sum of logprobs.

    The order of the running beams among each other changes nothing, so it is no decision.
    """

    def __init__(self):
        self.smallest = math.inf

    def cut(self, scores, count, scales=None):
        """Between what is kept of a descending list and what is not."""
        if 0 < count < len(scores):
            self.compare(scores[count - 1], scores[count], scales and max(scales[count - 1], scales[count]))

    def compare(self, a, b, scale=None):
        self.smallest = min(self.smallest, abs(a - b) / (scale or 1))


class Search:
    """Beam search as transformers 5.23 has it, but that beams without any probability are dropped."""

    def __init__(self, case):
        self.case, self.margins, self.steps = case, Margins(), []
        self.width, self.penalty = case["num_beams"], case["length_penalty"]
        self.running, self.done, self.open = [(0.0, [])], [], True

    def run(self):
        while self.running and self.open and not (self.case["early_stopping"] is True and self.full):
            self.step()
        scores = [score for score, _, _ in self.done]
        for rank in range(min(self.case["num_return_sequences"], len(scores))):
            self.margins.cut(scores, rank + 1, [self.scale(len(text)) for _, _, text in self.done])
        return [(text, score) for score, _, text in self.done[:self.case["num_return_sequences"]]]

    @property
    def full(self):
        return len(self.done) == self.width

    def scale(self, length):
        return length ** -self.penalty

    @torch.no_grad()
    def candidates(self):
        case = self.case
        ids = torch.tensor([case["prompt"] + text for _, text in self.running])
        logits = model(case["model"], torch.float64)(ids, use_cache=False).logits[:, -1].double()
        scores = processors(case)(ids, logits.log_softmax(-1))
        scores = scores + torch.tensor([[score] for score, _ in self.running], dtype=torch.float64)
        values, places = scores.flatten().sort(descending=True, stable=True)
        kept = int(values.isfinite().sum().clamp(max=8 * self.width))
        return [(value, self.running[place // VOCAB][1] + [place % VOCAB])
                for value, place in zip(values[:kept].tolist(), places[:kept].tolist())]

    def step(self):
        case, width = self.case, self.width
        ranked = self.candidates()
        self.steps.append([text[-1] for _, text in ranked])
        length = len(ranked[0][1]) if ranked else 0
        last = length >= case["max_new_tokens"]
        ends = [last or text[-1] in case["eos_token_id"] for _, text in ranked]
        scores = [score for score, _ in ranked]
        for rank, end in enumerate(ends):  # an end counts among the best `width` candidates only
            if end and len(ranked) > width:
                self.margins.compare(scores[rank], scores[width if rank < width else width - 1])
        going = [candidate for candidate, end in zip(ranked, ends) if not end]
        self.margins.cut([score for score, _ in going], width)
        self.running = going[:width]
        ended = [(score * self.scale(length), length, text)
                 for (score, text), end in zip(ranked[:width], ends) if end]
        done = sorted(self.done + ended, key=lambda item: -item[0])
        self.margins.cut([item[0] for item in done], width, [self.scale(item[1]) for item in done])
        self.done = done[:width]
        if self.running and self.full and case["early_stopping"] is not True:
            self.weigh(length)

    def weigh(self, length):
        """Whether a running beam may still become better than the worst of a full list."""
        patient = self.case["early_stopping"] == "never" and self.penalty > 0
        scale = self.scale(self.case["max_new_tokens"] if patient else length)
        best, (worst, worst_length, _) = self.running[0][0] * scale, self.done[-1]
        self.margins.compare(best, worst, max(scale, self.scale(worst_length)))
        self.open = best > worst


# MARK: Drawing cases

def column(generator, levels, count):
    """Each level equally often, shuffled."""
    values = (levels * (count // len(levels) + 1))[:count]
    generator.shuffle(values)
    return values


def draw_prompt(generator):
    return [generator.randrange(3, VOCAB - 3) for _ in range(generator.choice([1, 2, 3, 5, 8, 12, 16, 20]))]


def scout(case, width=None):
    """The candidates of each step, best first, were there no end: ids that matter to this model and prompt."""
    search = Search(case | {
        "eos_token_id": [], "early_stopping": False, "num_return_sequences": 1, "length_penalty": 1.0,
        "num_beams": width or case["num_beams"], "max_new_tokens": min(case["max_new_tokens"], SCOUTED_STEPS)})
    answers = search.run()
    return search.steps, answers[0][0] if answers else []


def draw_processor(name, generator, steps, text, limit):
    likely = [token for step in steps for token in step[:6]]
    token = lambda: generator.choice(likely) if generator.random() < 0.8 else generator.randrange(VOCAB)
    tokens = lambda low, high: sorted({token() for _ in range(generator.randint(low, high))})
    match name:
        case "repetition_penalty": return generator.choice([0.8, 1.1, 1.3, 1.7, 2.5])
        case "no_repeat_ngram_size": return generator.choice([1, 2, 2, 3])
        case "logit_bias":
            return [[token, generator.choice([-100.0, -4.0, -1.5, -0.25, 0.25, 0.75, 1.5, 3.0])]
                    for token in tokens(1, 12)]
        case "bad_words_ids":
            words = [[token] for token in tokens(0, 4)]
            for _ in range(generator.randint(1, 4)):  # runs that would come, so that they are met
                start = generator.randrange(len(text))
                words.append(text[start:start + generator.randint(2, 3)])
            return [word for place, word in enumerate(words) if word not in words[:place]]
        case "min_new_tokens": return generator.randint(1, min(12, limit))
        case "allowed_token_ids":
            return sorted({*generator.sample(range(VOCAB), generator.choice([30, 90, 200])), *tokens(4, 30)})
        case "exponential_decay_length_penalty":
            return [generator.randint(0, 10), generator.choice([1.02, 1.1, 1.25, 0.95])]
        case "suppress_tokens": return tokens(1, 30)
        case _: return generator.choice([-1.0, -0.5, 0.3, 0.8, 1.5, 2.0])


def draw_processors(kind, generator, steps, text, limit):
    names = generator.sample(PROCESSORS, generator.randint(2, 5)) if kind == "mixture" else [kind] * (kind != "none")
    return {name: draw_processor(name, generator, steps, text, limit) for name in PROCESSORS if name in names}


def draw_ends(generator, steps, count, width):
    """Ids that come up in this case's own beams, at any depth; now and then ids that hardly do."""
    if generator.random() < (1 / 6 if width > 1 else 1 / 2):
        return sorted(generator.sample(range(VOCAB), count))
    ends = set()
    while len(ends) < count:
        step = generator.choice(steps[1:] or steps)
        rank = min(generator.randrange(width + 2), generator.randrange(width + 2), len(step) - 1)
        ends.add(step[rank] if generator.random() < 0.9 else generator.randrange(VOCAB))
    return sorted(ends)


def finish_case(case, kind, generator, end_count, width):
    """Gives a case its processors, and ends that such beams meet."""
    case |= draw_processors(kind, generator, *scout(case, width), case["max_new_tokens"])
    steps = [step for step in scout(case, width)[0] if step]
    if not steps:
        return None
    case["eos_token_id"] = draw_ends(generator, steps, end_count, width)
    if "bad_words_ids" in case and generator.random() < 0.3:  # which is then not heeded
        case["bad_words_ids"] = case["bad_words_ids"] + [case["eos_token_id"][:1]]
    return case


KINDS = ["none"] * 3 + PROCESSORS + ["mixture"] * 5


def beam_design():
    """Every pair of levels of two factors at least once: the first shuffle that has them all."""
    levels = [MODELS, [2, 3, 4, 8, 16], [-1.0, 0.0, 0.5, 1.0, 2.0], [False, True, "never"], [1, 3], KINDS, LENGTHS]
    for seed in range(1000):
        generator = random.Random(f"beams {seed}")
        columns = [column(generator, factor, BEAM_CASES) for factor in levels]
        if all(len(set(zip(map(str, a), map(str, b)))) == len(set(map(str, a))) * len(set(map(str, b)))
               for place, a in enumerate(columns) for b in columns[:place]):
            return list(zip(*columns))
    raise ValueError("no shuffle has every pair")


def stopping_decides(case, expected):
    """Whether the answer would be another one with another `early_stopping`."""
    return any(Search(case | {"early_stopping": other}).run() != expected for other in (False, True, "never"))


def beam_case(row, generator):
    name, width, penalty, stopping, end_count, kind, length = row
    case = finish_case(
        {"model": name, "prompt": draw_prompt(generator), "num_beams": width,
         "num_return_sequences": generator.choice([1, width, generator.randint(1, width)]), "length_penalty": penalty,
         "early_stopping": stopping, "max_new_tokens": length}, kind, generator, end_count, width)
    if case is None:
        return None, "nothing allowed"
    search = Search(case)
    expected = search.run()
    if generator.random() < 0.75 and not stopping_decides(case, expected):
        return None, "early stopping decides nothing"
    answers, result = generate(case)
    scores = result.sequences_scores.tolist()
    if min(scores) < -1e8 or len(expected) < len(answers):
        return None, "fewer hypotheses than asked for"
    if search.margins.smallest < MIN_BEAM_MARGIN:
        return None, "a near tie"
    for answer, score, (text, own_score) in zip(answers, scores, expected):
        if answer != text:
            return None, "transformers counts beams without probability"
        assert abs(score - own_score) < 1e-4 * max(1, search.scale(len(text))), (case, score, own_score)
    case["margin"] = rounded(min(search.margins.smallest, 1e9))
    case["sequences"] = [{"ids": ids, "score": rounded(score)} for ids, score in zip(answers, scores)]
    return case, None


def greedy_design():
    generator = random.Random("processors")
    return list(zip(column(generator, MODELS, GREEDY_CASES), column(generator, [1, 3], GREEDY_CASES),
                    column(generator, PROCESSORS + ["mixture"] * 7, GREEDY_CASES),
                    column(generator, LENGTHS[4:], GREEDY_CASES)))


def greedy_case(row, generator):
    name, end_count, kind, length = row
    case = finish_case({"model": name, "prompt": draw_prompt(generator), "max_new_tokens": length}, kind, generator,
                       end_count, 1)
    if case is None:
        return None, "nothing allowed"
    (answer,), result = generate(case)
    top = torch.cat(result.scores).topk(2).values
    if top[:, 0].isneginf().any():
        return None, "nothing allowed"
    margin = float((top[:, 0] - top[:, 1]).min())
    if margin < MIN_GREEDY_MARGIN:
        return None, "a near tie"
    return case | {"margin": rounded(min(margin, 1e9)), "ids": answer}, None


# MARK: Contrastive search

def contrastive_design():
    generator = random.Random("contrastive")
    return list(zip(column(generator, MODELS, CONTRASTIVE_CASES),
                    column(generator, [0.2, 0.4, 0.6, 0.8], CONTRASTIVE_CASES),
                    column(generator, [2, 3, 4, 5, 6, 8], CONTRASTIVE_CASES),
                    column(generator, [8, 16, 24, 32], CONTRASTIVE_CASES)))


@torch.no_grad()
def contrastive_step(case, ids):
    """The token that Su et al. 2022 take, and by how much; hidden states are those that the output layer reads."""
    network, top_k, alpha = model(case["model"], torch.float64), case["top_k"], case["penalty_alpha"]
    output = network(torch.tensor([ids]), use_cache=False, output_hidden_states=True)
    probabilities = output.logits[0, -1].double().softmax(-1).topk(top_k + 1)
    tokens = probabilities.indices[:top_k].tolist()
    longer = network(torch.tensor([ids + [token] for token in tokens]), use_cache=False, output_hidden_states=True)
    before = torch.nn.functional.normalize(output.hidden_states[-1][0], dim=-1)
    candidates = torch.nn.functional.normalize(longer.hidden_states[-1][:, -1], dim=-1)
    likeness = (candidates @ before.T).amax(-1)
    scores = (1 - alpha) * probabilities.values[:top_k] - alpha * likeness
    best = scores.topk(2)
    margin = min(best.values[0] - best.values[1], probabilities.values[top_k - 1] - probabilities.values[top_k])
    return tokens[int(best.indices[0])], float(margin)


def contrastive_case(row, generator):
    name, alpha, top_k, length = row
    case = {"model": name, "prompt": draw_prompt(generator), "penalty_alpha": alpha, "top_k": top_k,
            "max_new_tokens": length, "eos_token_id": [generator.randrange(VOCAB)]}
    ids, margin = list(case["prompt"]), math.inf
    while len(ids) < len(case["prompt"]) + length:
        token, distance = contrastive_step(case, ids)
        margin = min(margin, distance)
        ids.append(token)
    if margin < MIN_CONTRASTIVE_MARGIN:
        return None, "a near tie"
    text = ids[len(case["prompt"]):]
    if generator.random() < 0.5:
        case["eos_token_id"] = [generator.choice(text)]
    return case | {"margin": rounded(margin), "ids": until_end(text, case["eos_token_id"])}, None


# MARK: Files

def make(name, rows, make_case):
    cases, thrown_out = [], Counter()
    for number, row in enumerate(rows):
        for attempt in range(1000):
            case, reason = make_case(row, random.Random(f"{name} {number} {attempt}"))
            if case:
                break
            thrown_out[reason] += 1
        cases.append(case)
    dump = lambda value: json.dumps(value, separators=(",", ":"))
    head = {"torch": torch.__version__, "transformers": transformers.__version__, "thrown_out": thrown_out}
    lines = ",\n".join(dump(case) for case in cases)
    (HERE / "decoding" / f"{name}.json").write_text(f'{{"made_with":{dump(head)},"cases":[\n{lines}\n]}}\n')
    print(name, len(cases), "cases; thrown out:", dict(thrown_out), file=sys.stderr)


FILES = {"beams": (beam_design, beam_case), "processors": (greedy_design, greedy_case),
         "contrastive": (contrastive_design, contrastive_case)}

if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    for name in sys.argv[1:] or FILES:
        design, make_case = FILES[name]
        make(name, design(), make_case)
