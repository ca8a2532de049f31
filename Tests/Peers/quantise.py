"""Quantises a GGUF file with llama.cpp: quantise.py IN.gguf OUT.gguf q8_0|q4_0|q4_1|q5_0|q5_1|q4_k_m|q5_k_m|q6_k"""
import ctypes
import sys

import llama_cpp as L

TYPES = {
    "q8_0": L.LLAMA_FTYPE_MOSTLY_Q8_0, "q4_0": L.LLAMA_FTYPE_MOSTLY_Q4_0, "q4_1": L.LLAMA_FTYPE_MOSTLY_Q4_1,
    "q5_0": L.LLAMA_FTYPE_MOSTLY_Q5_0, "q5_1": L.LLAMA_FTYPE_MOSTLY_Q5_1, "q4_k_m": L.LLAMA_FTYPE_MOSTLY_Q4_K_M,
    "q5_k_m": L.LLAMA_FTYPE_MOSTLY_Q5_K_M, "q6_k": L.LLAMA_FTYPE_MOSTLY_Q6_K,
}

if __name__ == "__main__":
    source, target, kind = sys.argv[1:]
    params = L.llama_model_quantize_default_params()
    params.ftype = TYPES[kind]
    if L.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params)) != 0:
        raise SystemExit(f"llama.cpp does not quantise {source} to {kind}")
