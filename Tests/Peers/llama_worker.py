"""llama.cpp through the low-level module of llama-cpp-python: one prompt, then streams that decode together.

    llama_worker.py MODEL.gguf --prompt 256 --streams 1,8,16,32 --context 128 --steps 16 --threads 2

Prints one JSON object: name of the measurement to tokens a second. Greedy; logits for each row that is decoded.
"""
import ctypes
import time

import llama_cpp as L
import numpy as np

import worker


class Context:
    def __init__(self, model, threads, streams, length):
        params = L.llama_context_default_params()
        params.n_ctx = streams * length
        params.n_batch = params.n_ubatch = 512
        params.n_seq_max = streams
        params.n_threads = params.n_threads_batch = threads
        self.handle = L.llama_init_from_model(model, params)
        if not self.handle:
            raise SystemExit("llama.cpp made no context")
        self.batch = L.llama_batch_init(512, 0, 1)
        self.vocabulary = L.llama_vocab_n_tokens(L.llama_model_get_vocab(model))

    def decode(self, rows):
        """rows: (token, position, sequence, whether logits are wanted), at most 512."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for i, (token, position, sequence, wanted) in enumerate(rows):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = wanted
        if L.llama_decode(self.handle, batch) != 0:
            raise SystemExit("llama_decode failed")

    def best(self, row):
        pointer = L.llama_get_logits_ith(self.handle, row)
        logits = np.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float)), (self.vocabulary,))
        return int(np.argmax(logits))

    def close(self):
        L.llama_batch_free(self.batch)
        L.llama_free(self.handle)


def prompt_rate(model, options, rng):
    context = Context(model, options.threads, 1, options.prompt + 8)
    rates = []
    for index in range(options.repeat + 1):
        L.llama_memory_clear(L.llama_get_memory(context.handle), True)
        tokens = rng.integers(0, context.vocabulary - 1, options.prompt)
        rows = [(int(t), i, 0, i == options.prompt - 1) for i, t in enumerate(tokens)]
        start = time.perf_counter()
        for first in range(0, len(rows), 512):
            context.decode(rows[first : first + 512])
        context.best(-1)
        # The first one pays for what comes once.
        if index:
            rates.append(options.prompt / (time.perf_counter() - start))
    context.close()
    return float(np.median(rates))


def decode_rate(model, options, streams, rng):
    context = Context(model, options.threads, streams, options.context + options.steps + 8)
    rows = []
    for sequence in range(streams):
        tokens = rng.integers(0, context.vocabulary - 1, options.context)
        rows += [(int(t), i, sequence, i == options.context - 1) for i, t in enumerate(tokens)]
    for first in range(0, len(rows), 512):
        context.decode(rows[first : first + 512])
    current = [int(t) for t in rng.integers(0, context.vocabulary - 1, streams)]

    def step(position):
        context.decode([(token, position, sequence, 1) for sequence, token in enumerate(current)])
        for sequence in range(streams):
            current[sequence] = context.best(sequence)

    for position in range(2):
        step(options.context + position)
    start = time.perf_counter()
    for position in range(options.steps):
        step(options.context + 2 + position)
    rate = streams * options.steps / (time.perf_counter() - start)
    context.close()
    return rate


def main():
    options = worker.options()
    silent = L.llama_log_callback(lambda level, text, data: None)
    L.llama_log_set(silent, ctypes.c_void_p(0))
    L.llama_backend_init()
    model = L.llama_model_load_from_file(options.model.encode(), L.llama_model_default_params())
    if not model:
        raise SystemExit(f"llama.cpp does not open {options.model}")
    rng = np.random.default_rng(1)
    worker.measure(options, lambda: prompt_rate(model, options, rng),
                   lambda streams: decode_rate(model, options, streams, rng))


if __name__ == "__main__":
    main()
