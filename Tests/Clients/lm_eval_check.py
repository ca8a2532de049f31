"""lm-evaluation-harness, unmodified, against a running server: tasks made of ../shared/data/corpus through its
`local-completions` model, with its own Hugging Face tokeniser and with the server's as the remote one. Each item's
log-likelihood must be that of its `hf` model (transformers, float32) on the same weights, and so must the greedy flags
and the generated texts.

    python3 lm_eval_check.py http://127.0.0.1:8080 CHECKPOINT_DIRECTORY
"""
import json
import os
import random
import re
import sys
import tempfile

base, checkpoint = sys.argv[1].rstrip("/"), os.path.abspath(sys.argv[2])
name = os.path.basename(os.path.dirname(checkpoint))
folder = tempfile.TemporaryDirectory()
os.environ |= {
    "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": folder.name, "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1", "LMEVAL_LOG_LEVEL": "ERROR", "LOGLEVEL": "ERROR",
}
import lm_eval
import lm_eval.tasks
import lm_eval.utils
import requests
import transformers

# Nats that one item may differ by: issue 3's bound, for sums over up to a whole context.
TOLERANCE = 1e-3
# lm-eval counts a token for generation in; its hf model has the same windows one token below that.
CONTEXT = 512
corpus = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../shared/data/corpus")
rng = random.Random(30)


def passages(file, length, count):
    """Stretches of whole words of about `length` characters."""
    text = open(f"{corpus}/{file}", encoding="utf-8").read(4_000_000)
    text = re.sub(r"\s+", " ", re.sub(r"[^A-Za-z ,.!?']", " ", text))
    for _ in range(count):
        start = text.index(" ", rng.randrange(len(text) - 2 * length)) + 1
        yield text[start : text.index(" ", start + length)]


def split(file, length, words, count):
    """Passages in two parts, the second of `words` words."""
    pairs = []
    while len(pairs) < count:
        [passage] = passages(file, length, 1)
        parts = passage.split(" ")
        context, rest = " ".join(parts[:-words]), " ".join(parts[-words:])
        # Where pieces reach over words the whole may have no more tokens than its beginning: lm-eval, which counts,
        # then has none to score.
        if len(tokens(f"{context} {rest}")) > len(tokens(context)):
            pairs.append((context, rest))
    return pairs


def tokens(text):
    return tokenizer.encode(text, add_special_tokens=False)


def write_task(task, items, lines):
    with open(f"{folder.name}/{task}.jsonl", "w") as file:
        file.writelines(json.dumps(item) + "\n" for item in items)
    common = [
        f"task: {task}", "dataset_path: json", "dataset_kwargs:", "  data_files:",
        f"    test: {folder.name}/{task}.jsonl", "test_split: test",
    ]
    with open(f"{folder.name}/{task}.yaml", "w") as file:
        file.write("\n".join(common + lines) + "\n")


def choices(file, count):
    """The true continuation among those of three other passages."""
    pairs = split(file, 240, 8, count)
    for place, (context, truth) in enumerate(pairs):
        options = [truth] + [pairs[(place + step) % count][1] for step in (1, 2, 3)]
        rng.shuffle(options)
        yield {"context": context, "choices": options, "label": options.index(truth)}


def likely(count):
    """Contexts and what the model goes on with, so that there are items whose greedy flag is set. Only where the text
    has the tokens that were generated."""
    for context in passages("tinystories-subset.txt", 120, 50 * count):
        prompt = tokens(context)
        request = {"prompt": prompt, "max_tokens": 3, "temperature": 0, "return_token_ids": True}
        choice = requests.post(f"{base}/v1/completions", json=request, timeout=60).json()["choices"][0]
        if choice["text"] and tokens(context + choice["text"]) == prompt + choice["token_ids"]:
            yield context, choice["text"]
            count -= 1
        if count == 0:
            return


def write_tasks():
    write_task(
        "corpus_choice", [*choices("tinystories-subset.txt", 24), *choices("fairytales.txt", 8)],
        ["output_type: multiple_choice", 'doc_to_text: "{{context}}"', 'doc_to_choice: "{{choices}}"',
         'doc_to_target: "{{label}}"', "metric_list:", "  - metric: acc", "  - metric: acc_norm"])
    words = [(context, f" {word}") for context, word in split("tinystories-subset.txt", 180, 1, 32)] + [*likely(8)]
    write_task(
        "corpus_word", [{"context": context, "word": word} for context, word in words],
        ["output_type: loglikelihood", 'doc_to_text: "{{context}}"', 'doc_to_target: "{{word}}"', "metric_list:",
         "  - metric: perplexity", "  - metric: acc"])
    texts = [*passages("tinystories-subset.txt", 1300, 3), *passages("fairytales.txt", 600, 3)]
    write_task(
        "corpus_text", [{"text": text} for text in texts],
        ["output_type: loglikelihood_rolling", 'doc_to_text: ""', 'doc_to_target: "{{text}}"', "metric_list:",
         "  - metric: word_perplexity", "  - metric: bits_per_byte"])
    write_task(
        "corpus_next", [{"context": context, "word": word} for context, word in words[:12]],
        ["output_type: generate_until", 'doc_to_text: "{{context}}"', 'doc_to_target: "{{word}}"',
         "generation_kwargs:", '  until: [".", "!", "<|"]', "  max_gen_toks: 24", "  do_sample: false", "metric_list:",
         "  - metric: exact_match"])


def evaluate(kind, **arguments):
    """Every answer of every item, by task."""
    results = lm_eval.simple_evaluate(
        model=kind, model_args=arguments, tasks=["corpus_choice", "corpus_word", "corpus_text", "corpus_next"],
        task_manager=lm_eval.tasks.TaskManager(include_path=folder.name, include_defaults=False), log_samples=True,
        bootstrap_iters=0, verbosity="ERROR")
    answers = {}
    for task, samples in results["samples"].items():
        ordered = sorted(samples, key=lambda sample: sample["doc_id"])
        answers[task] = [answer for sample in ordered for response in sample["resps"] for answer in response]
    return answers


def parts(answer):
    """Log-likelihood and what else there is: a greedy flag, or a text alone. The hf model decodes what it generated apart
    from the prompt, which takes the space away that SentencePiece would have between them."""
    if isinstance(answer, str):
        return 0.0, answer.lstrip(" ")
    if isinstance(answer, (tuple, list)):
        return float(answer[0]), str(answer[1])
    return float(answer), None


def compare(label, expected, found):
    global failed
    worst, counts = 0.0, []
    for task in expected:
        pairs = [(parts(one), parts(other)) for one, other in zip(expected[task], found[task], strict=True)]
        counts.append(len(pairs))
        for place, ((value, rest), (other, other_rest)) in enumerate(pairs):
            worst = max(worst, abs(value - other))
            # Written so that NaN fails.
            if not abs(value - other) <= TOLERANCE or rest != other_rest:
                failed += 1
                print(f"FAIL {label} {task}[{place}]: {other!r} {other_rest!r}, transformers has {value!r} {rest!r}")
    greedy = [flag for task in ("corpus_choice", "corpus_word") for _, flag in map(parts, found[task])]
    print(
        f"lm-eval {lm_eval.__version__} {name} {label}: {sum(counts)} items, largest difference {worst:.1e} nats, "
        f"{greedy.count('True')} of {len(greedy)} greedy")
    if not 0 < greedy.count("True") < len(greedy):
        failed += 1
        print("FAIL: all items have the same greedy flag, so the flags show nothing")


failed = 0
served = requests.get(f"{base}/v1/models", timeout=10).json()["data"][0]["id"]
tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
write_tasks()
reference = evaluate(
    "hf", pretrained=checkpoint, device="cpu", dtype="float32", batch_size=8, max_length=CONTEXT - 2,
    add_bos_token=False)
assert lm_eval.utils.check_remote_tokenizer_support(f"{base}/v1/completions"), "no remote tokeniser"
common = {
    "model": served, "base_url": f"{base}/v1/completions", "max_length": CONTEXT, "max_retries": 1, "timeout": 60}
# Lists of prompts one after the other, then one prompt in a request and eight requests at once.
compare("huggingface", reference, evaluate(
    "local-completions", **common, tokenizer_backend="huggingface", tokenizer=checkpoint, batch_size=8))
compare("remote", reference, evaluate("local-completions", **common, tokenizer_backend="remote", num_concurrent=8))
sys.exit(1 if failed else 0)
