#!/usr/bin/env python3
"""Makes the tokeniser: SentencePiece BPE, 2,048 pieces, byte fallback.

Learned from the real training stories only; the last 150 stories of the corpus
are the held-out ones and are not read. The trainer has no random part.
<unk> 0, <s> 1, </s> 2, then the 256 bytes, then the learned pieces. Text is
left as it is (identity normalisation, spaces kept), one space is put in front.

    python3 tokenizer.py --corpus ../shared/data/corpus/tinystories-subset.txt --out tokenizer
"""
import argparse

SEPARATOR = "<|endoftext|>"
HELD_OUT = 150


def stories(path):
    """The stories of a file, stripped, without empty ones."""
    with open(path, encoding="utf-8") as f:
        return [s for s in (t.strip() for t in f.read().split(SEPARATOR)) if s]


def main():
    import sentencepiece
    a = argparse.ArgumentParser()
    a.add_argument("--corpus", default="../shared/data/corpus/tinystories-subset.txt")
    a.add_argument("--vocabulary", type=int, default=2048)
    a.add_argument("--out", default="tokenizer", help="writes OUT.model and OUT.vocab")
    a = a.parse_args()
    train = stories(a.corpus)[:-HELD_OUT]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(train), model_prefix=a.out, model_type="bpe", vocab_size=a.vocabulary,
        byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        add_dummy_prefix=True, split_digits=True, character_coverage=1.0,
        unk_id=0, bos_id=1, eos_id=2, pad_id=-1, max_sentence_length=100000, num_threads=1, minloglevel=2)
    p = sentencepiece.SentencePieceProcessor(a.out + ".model")
    held = stories(a.corpus)[-HELD_OUT:]
    assert all(p.decode(p.encode(s)) == s for s in train[:500] + ["Hi\n\n\tthe  é 猫 dog "])
    print(len(p), "pieces;", sum(len(s.encode()) for s in held) / sum(len(p.encode(s)) for s in held), "bytes per token, held-out")


if __name__ == "__main__":
    main()
