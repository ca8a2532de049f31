import Checkpoints
import InferenceTypes

/// Merges as scores: model `llama` merges whatever pair makes the piece of the best score.
extension GGUFTokenTable {
    struct MergePair {
        var left: [UInt8]
        var right: [UInt8]
    }

    /// The merges of a `tokenizer.json` that `TokenizerJSON` has read before, in order.
    static func mergePairs(_ json: [UInt8]) throws(TokenizerError) -> [MergePair] {
        let root: JSONValue
        do throws(JSONParser.Failure) { root = try JSONParser.parse(json, limits: .modelFile) } catch {
            throw TokenizerJSON.failure("\(error.message) at byte \(error.offset)")
        }
        var pairs: [MergePair] = []
        for merge in root["model"]?["merges"]?.asArray ?? [] {
            if let pair = merge.asArray, pair.count == 2, let left = pair[0].asBytes, let right = pair[1].asBytes {
                guard !left.contains(0x20), !right.contains(0x20) else {
                    throw TokenizerJSON.failure(
                        "model.merges: a piece with a space in it, which a GGUF file cannot say")
                }
                pairs.append(MergePair(left: left, right: right))
            } else if let text = merge.asBytes, let space = text.dropFirst().firstIndex(of: 0x20) {
                pairs.append(MergePair(left: Array(text[..<space]), right: Array(text[(space + 1)...])))
            }
        }
        return pairs
    }

    /// The scores of `tokenizer.model`, where it has the same pieces: added ones come behind them.
    func modelScores(_ files: TokenizerFiles) throws(TokenizerError) -> [Float]? {
        guard let bytes = files.sentencePieceModel else { return nil }
        let model = try SentencePieceModel(bytes)
        guard model.algorithm == .bytePair, model.parts.count <= tokens.count,
            zip(model.parts.pieces, tokens).allSatisfy({ $0 == $1 })
        else { return nil }
        return model.parts.scores + [Float](repeating: 0, count: tokens.count - model.parts.count)
    }

    /// The rank of the first merge that makes a piece, negative. A single scalar needs none.
    mutating func mergeScores(_ pairs: [MergePair], _ parts: TokenizerParts) -> [Float] {
        var ranks: [[UInt8]: Int] = [:]
        var disorderCount = 0
        var last: [UInt8] = []
        for (rank, pair) in pairs.enumerated() {
            let piece = pair.left + pair.right
            if ranks[piece] == nil { ranks[piece] = rank } else if piece != last { disorderCount += 1 }
            last = piece
        }
        let missing = splitCount(parts) - pairs.count
        if disorderCount > 0 || missing != 0 {
            notes.append(
                "merges became scores, which cannot tell all that merges do (\(disorderCount) out of order, "
                    + "\(max(missing, 0)) pairs may merge that did not): a few texts may be cut differently")
        }
        return tokens.map { ranks[$0].map { -Float($0) } ?? 0 }
    }

    /// Pairs of pieces that make a piece: what scores merge.
    private func splitCount(_ parts: TokenizerParts) -> Int {
        var count = 0
        for (piece, kind) in zip(tokens, kinds) where kind == .normal && piece.count > 1 {
            for cut in 1..<piece.count where parts.pieces.find(Array(piece[..<cut])) != nil {
                if parts.pieces.find(Array(piece[cut...])) != nil { count += 1 }
            }
        }
        return count
    }
}
