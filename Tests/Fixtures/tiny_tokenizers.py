"""Tiny real tokenisers of a given size: SentencePiece BPE with byte fallback, and byte-level BPE."""
import io, json
from pathlib import Path

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXT = """Once upon a time there was a little needle with a long red tail of thread.
The needle went through the cloth, and the tail went after it, and the cloth held together.
"What do you do all day?" asked the button. "I go where the thread cannot go alone," said the needle.
The thread thought about that. They had been through the same hole ten thousand times, and it was true.
There is a time to sew and a time to rest; the tailor put the needle in the pin cushion and went to bed.
"""
SPM_SPECIAL = ["<unk>", "<s>", "</s>"]
GPT2_SPECIAL = ["<|endoftext|>"]
QWEN_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
QWEN_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
              r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def write_json(path, value):
    Path(path).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def sentencepiece_bpe(folder: Path, size: int):
    """tokenizer.model, and a tokenizer.json with the same pieces, merges and dummy prefix."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT.splitlines()), model_writer=model, model_type="bpe", vocab_size=size,
        byte_fallback=True, character_coverage=1.0, normalization_rule_name="identity",
        remove_extra_whitespaces=False, split_digits=True, num_threads=1, minloglevel=2)
    (folder / "tokenizer.model").write_bytes(model.getvalue())

    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    vocab = {pieces.IdToPiece(i): i for i in range(size)}
    merges = []
    for piece, rank in vocab.items():  # ids follow the order in which the pieces were merged
        if rank >= len(SPM_SPECIAL) + 256:
            splits = [(piece[:i], piece[i:]) for i in range(1, len(piece))]
            merges += sorted((pair for pair in splits if all(part in vocab for part in pair)),
                             key=lambda pair: [vocab[part] for part in pair])
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in SPM_SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {
        "add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
        "legacy": True, "clean_up_tokenization_spaces": False, "tokenizer_class": "LlamaTokenizer"})
    for line in [*TEXT.splitlines(), "naïve  Zürich 🚀 x\ty", "<>"]:
        assert tokenizer.encode(line, add_special_tokens=False).ids == pieces.EncodeAsIds(line), line


def byte_level_bpe(folder: Path, size: int, family: str):
    """tokenizer.json with 256 bytes, some merges and the family's special tokens and pre-tokeniser."""
    special = QWEN_SPECIAL if family == "qwen" else GPT2_SPECIAL
    tokenizer = Tokenizer(models.BPE())
    if family == "qwen":
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(QWEN_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.train_from_iterator([TEXT], trainers.BpeTrainer(
        vocab_size=size - len(special), initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False))
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in special])
    assert tokenizer.get_vocab_size() == size
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"add_prefix_space": False, "clean_up_tokenization_spaces": False}
    if family == "qwen":
        config |= {"add_bos_token": False, "bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
                   "tokenizer_class": "Qwen2Tokenizer"}
    else:
        config |= {"bos_token": special[0], "eos_token": special[0], "unk_token": special[0],
                   "tokenizer_class": "GPT2Tokenizer"}
    write_json(folder / "tokenizer_config.json", config)
