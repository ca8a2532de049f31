import InferenceTypes

/// A byte-pair encoding of `tokenizer.json` or of a GGUF file of model `gpt2`: merges in order, between ids.
struct BytePairModel: Sendable {
    /// What a word is made of before merging.
    enum Units: Sendable {
        /// Bytes, each with its id or -1 where the vocabulary has none (such a byte is dropped, as the references do).
        case bytes([TokenID])
        /// Unicode scalars, looked up by their UTF-8.
        case scalars
    }

    var units: Units
    var merges: MergeTable
    /// Id of `<0x00>` … `<0xFF>`, -1 where there is none; nil without byte fallback.
    var byteFallback: [TokenID]?
    var unknown: TokenID?
    /// Whether neighbouring unknown scalars become one unknown token.
    var fusesUnknown = false
    /// Whether a word that is a piece is taken whole before any merging (Llama 3).
    var takesWholeWords = false

    /// Appends the ids of one word.
    func encode(
        _ word: UnsafeBufferPointer<UInt8>, _ pieces: PieceTable, _ merger: inout BytePairMerger,
        into output: inout [TokenID]
    ) {
        if takesWholeWords, let id = wholeWord(word, pieces) {
            output.append(id)
            return
        }
        merger.symbols.removeAll(keepingCapacity: true)
        switch units {
        case .bytes(let table):
            for byte in word where table[Int(byte)] >= 0 { merger.symbols.append(table[Int(byte)]) }
        case .scalars:
            appendScalars(word, pieces, into: &merger.symbols)
        }
        merger.merge(merges)
        output.append(contentsOf: merger.symbols)
    }

    private func wholeWord(_ word: UnsafeBufferPointer<UInt8>, _ pieces: PieceTable) -> TokenID? {
        guard word.count <= pieces.longestByteCount else { return nil }
        guard case .bytes = units else { return pieces.find(word) }
        var spelling: [UInt8] = []
        spelling.reserveCapacity(word.count * 2)
        for byte in word { spelling.append(contentsOf: ByteLevelAlphabet.spelling(of: byte)) }
        return pieces.find(spelling)
    }

    /// - Source: Hugging Face tokenizers, `BPE::merge_word`, with its order: an unknown scalar is held back until the
    ///   next known one, while byte tokens are not.
    private func appendScalars(
        _ word: UnsafeBufferPointer<UInt8>, _ pieces: PieceTable, into symbols: inout [TokenID]
    ) {
        var hasPendingUnknown = false
        var index = 0
        while index < word.count {
            let end = index + utf8Length(word[index])
            let scalar = UnsafeBufferPointer(rebasing: word[index..<min(end, word.count)])
            index = end
            if let id = pieces.find(scalar) {
                if hasPendingUnknown, let unknown { symbols.append(unknown) }
                hasPendingUnknown = false
                symbols.append(id)
            } else if let byteFallback, scalar.allSatisfy({ byteFallback[Int($0)] >= 0 }) {
                for byte in scalar { symbols.append(byteFallback[Int(byte)]) }
            } else if let unknown {
                if hasPendingUnknown, !fusesUnknown { symbols.append(unknown) }
                hasPendingUnknown = true
            }
        }
        if hasPendingUnknown, let unknown { symbols.append(unknown) }
    }
}

/// Bytes of the scalar that starts with this byte; 1 for a byte that starts none.
@inline(__always)
func utf8Length(_ lead: UInt8) -> Int {
    switch lead {
    case 0xC2...0xDF: 2
    case 0xE0...0xEF: 3
    case 0xF0...0xF4: 4
    default: 1
    }
}
