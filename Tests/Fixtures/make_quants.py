"""Random blocks of every block type and their float32 values as gguf.quants gives them: quants/TYPE.bin, TYPE.f32."""
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

BLOCKS = 16
# type: byte offsets of the f16 scales in its block
SCALES = {T.Q8_0: [0], T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2],
          T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208]}
# zeros, f16 subnormals, the least normal number and ones of both signs; the other blocks get ordinary scales
SPECIAL = np.array([0, -0.0, 2.0**-24, -3 * 2.0**-24, 1000 * 2.0**-24, 2.0**-14, 1, -1], np.float16)
FOLDER = Path(__file__).parent / "quants"


def write(type, data):
    values = gguf.quants.dequantize(data, type).astype("<f4")
    assert np.isfinite(values).all()
    (FOLDER / f"{type.name}.bin").write_bytes(data.tobytes())
    (FOLDER / f"{type.name}.f32").write_bytes(values.tobytes())


FOLDER.mkdir(exist_ok=True)
rng = np.random.default_rng(20)
for type, offsets in SCALES.items():
    _, size = gguf.GGML_QUANT_SIZES[type]
    blocks = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for offset in offsets:
        ordinary = (rng.standard_normal(BLOCKS - len(SPECIAL)) * 0.05).astype(np.float16)
        scales = rng.permutation(np.concatenate([SPECIAL, ordinary]))
        blocks[:, offset:offset + 2] = scales.astype("<f2").view(np.uint8).reshape(BLOCKS, 2)
    write(type, blocks)

# the two 16-bit types: 512 values with the edge cases first
edges = [0.0, -0.0, 1.0, -1.0, 65504.0, -65504.0, 2.0**-14, 2.0**-24, -2.0**-24, 1023 * 2.0**-24]
values = np.concatenate([edges, rng.standard_normal(512 - len(edges))])
write(T.F16, values.astype("<f2").view(np.uint8))
bits = values.astype(np.float32).view(np.uint32) >> 16
bits[len(edges):len(edges) + 4] = [0x0001, 0x8001, 0x007F, 0x7F7F]  # subnormals of float32, its greatest BF16
write(T.BF16, bits.astype("<u2").view(np.uint8))
