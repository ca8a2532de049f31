"""Rows of floats and what others make of them: quantized/rows.f32, TYPE.bin by gguf-py, k_errors.json by llama.cpp.

make_quantized.py LIBRARY_FOLDER: the folder of llama-cpp-python's libggml-base.so.
"""
import ctypes
import json
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

ROWS, COLUMNS = 16, 512
FOLDER = Path(__file__).parent / "quantized"
library = ctypes.CDLL(str(Path(sys.argv[1]) / "libggml-base.so"))
library.ggml_quantize_chunk.restype = ctypes.c_size_t
library.ggml_quantize_chunk.argtypes = [
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]


def rows(rng):
    """Weights as they come, and rows that are odd: the last eight."""
    normal = lambda scale: rng.standard_normal(COLUMNS) * scale
    yield from (normal(0.02), normal(0.5), rng.laplace(0, 0.05, COLUMNS), rng.standard_t(3, COLUMNS) * 0.03)
    yield rng.uniform(-1, 1, COLUMNS)
    yield normal(0.05) * np.repeat(rng.lognormal(0, 1, COLUMNS // 32), 32)
    yield np.where(rng.random(COLUMNS) < 0.5, 0, normal(0.1))
    yield normal(0.02) + 0.1
    yield np.zeros(COLUMNS)
    yield np.full(COLUMNS, -0.37)
    yield np.abs(normal(0.1))
    yield -np.abs(normal(0.1))
    yield np.where(np.arange(COLUMNS) % 97 == 5, -3.0, normal(0.01))
    yield normal(1e-7)
    yield normal(300.0)
    yield rng.integers(-127, 128, COLUMNS) / 2


def k_row(type, row, importance):
    size = gguf.GGML_QUANT_SIZES[type]
    out = np.zeros(COLUMNS // size[0] * size[1], np.uint8)
    library.ggml_quantize_chunk(
        type.value, row.ctypes.data, out.ctypes.data, 0, 1, COLUMNS,
        None if importance is None else importance.ctypes.data)
    off = gguf.quants.dequantize(out, type).astype(np.float64) - row
    return float(np.sum(off**2 * (1 if importance is None else importance)))


FOLDER.mkdir(exist_ok=True)
rng = np.random.default_rng(21)
values = np.array([row.astype("<f4") for row in rows(rng)])
assert values.shape == (ROWS, COLUMNS)
(FOLDER / "rows.f32").write_bytes(values.tobytes())
for type in (T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1):
    (FOLDER / f"{type.name}.bin").write_bytes(gguf.quants.quantize(values, type).tobytes())
importance = rng.lognormal(0, 1, COLUMNS).astype("<f4")
(FOLDER / "importance.f32").write_bytes(importance.tobytes())
errors = {
    type.name: {
        "plain": [k_row(type, row, None) for row in values], "weighted": [k_row(type, row, importance) for row in values]}
    for type in (T.Q4_K, T.Q5_K, T.Q6_K)}
(FOLDER / "k_errors.json").write_text(json.dumps(errors, indent=1) + "\n")
