import InferenceTypes

/// The model proper: what turns a word into ids.
enum TokenizerModel: Sendable {
    case bytePair(BytePairModel)
    case sentencePiece(SentencePieceMerger, Unknowns)
    case unigram(UnigramModel, Unknowns)

    /// What becomes of a stretch that is no piece.
    struct Unknowns: Sendable {
        /// Id of each byte's token, -1 where there is none; nil without byte fallback.
        var byteTokens: [TokenID]?
        var unknown: TokenID?
        /// Whether neighbours become one unknown token.
        var fuses = true
    }

    func encode(
        _ word: UnsafeBufferPointer<UInt8>, _ pieces: PieceTable, _ merger: inout BytePairMerger,
        into output: inout [TokenID]
    ) {
        switch self {
        case .bytePair(let model): model.encode(word, pieces, &merger, into: &output)
        case .sentencePiece(let model, let unknowns):
            var sink = UnknownSink(unknowns: unknowns, output: output)
            output = []
            model.encode(word) { sink.take($0, $1) }
            output = sink.output
        case .unigram(let model, let unknowns):
            var sink = UnknownSink(unknowns: unknowns, output: output)
            output = []
            model.encode(word) { sink.take($0, $1) }
            output = sink.output
        }
    }
}

/// Collects ids and puts byte tokens or unknown tokens for what has none.
private struct UnknownSink {
    let unknowns: TokenizerModel.Unknowns
    var output: [TokenID]
    private var followsUnknown = false

    init(unknowns: TokenizerModel.Unknowns, output: [TokenID]) {
        self.unknowns = unknowns
        self.output = output
    }

    mutating func take(_ bytes: UnsafeBufferPointer<UInt8>, _ id: TokenID?) {
        if let id {
            output.append(id)
            followsUnknown = false
        } else if let byteTokens = unknowns.byteTokens, bytes.allSatisfy({ byteTokens[Int($0)] >= 0 }) {
            for byte in bytes { output.append(byteTokens[Int(byte)]) }
            followsUnknown = false
        } else if let unknown = unknowns.unknown {
            if !followsUnknown || !unknowns.fuses { output.append(unknown) }
            followsUnknown = true
        }
    }
}
