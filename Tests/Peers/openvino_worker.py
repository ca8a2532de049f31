"""OpenVINO GenAI: one prompt, then streams that decode together.

    openvino_worker.py MODEL --prompt 256 --streams 1,8,16,32 --context 128 --steps 16 --threads 2

MODEL is a directory that optimum-cli exported, or a GGUF file. Prints one JSON object: name of the measurement to tokens a
second. What decoding takes is the difference of two runs, one of which generates --steps tokens more.
"""
import os
import statistics
import time

import numpy as np
import openvino as ov
import openvino_genai as genai

import worker


class Pipeline:
    def __init__(self, path, threads):
        self.pipeline = genai.LLMPipeline(path, "CPU", INFERENCE_NUM_THREADS=threads)
        vocabulary = self.pipeline.get_tokenizer().get_vocab()
        self.count = max(vocabulary.values()) if vocabulary else 1000
        self.random = np.random.default_rng(1)

    def seconds(self, streams, length, new_tokens):
        ids = self.random.integers(300, self.count - 1, (streams, length), dtype=np.int64)
        inputs = genai.TokenizedInputs(ov.Tensor(ids), ov.Tensor(np.ones_like(ids)))
        config = genai.GenerationConfig()
        config.max_new_tokens = config.min_new_tokens = new_tokens
        config.ignore_eos = True
        config.do_sample = False
        start = time.perf_counter()
        self.pipeline.generate(inputs, config)
        return time.perf_counter() - start


def main():
    options = worker.options()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    pipeline = Pipeline(options.model, options.threads)

    def prompt_rate():
        pipeline.seconds(1, options.prompt, 1)
        return options.prompt / statistics.median(
            pipeline.seconds(1, options.prompt, 1) for _ in range(options.repeat))

    def decode_rate(streams):
        pipeline.seconds(streams, options.context, 2)
        short = min(pipeline.seconds(streams, options.context, 2) for _ in range(options.repeat))
        long = min(pipeline.seconds(streams, options.context, 2 + options.steps) for _ in range(options.repeat))
        return streams * options.steps / (long - short) if long > short else None

    worker.measure(options, prompt_rate, decode_rate)


if __name__ == "__main__":
    main()
