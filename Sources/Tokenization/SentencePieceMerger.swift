import InferenceTypes

/// SentencePiece's byte-pair encoding: any two neighbours whose joined text is a piece may merge, the highest score
/// first, the leftmost on a tie. The whole text is one word; a linked list and a heap keep it O(n log n).
///
/// - Source: google/sentencepiece `bpe_model.cc`; llama.cpp's `llm_tokenizer_spm` does the same.
struct SentencePieceMerger {
    /// Findable pieces.
    let pieces: PieceTable
    /// Rank by id: lower is better.
    let ranks: [UInt32]
    /// Ids that may not stay in the output; what merged into one is taken apart again.
    let unused: Set<TokenID>
    /// Pieces that are cut out of the text before merging and never merge.
    let frozen: ByteTrie

    init(pieces: PieceTable, scores: [Float], unused: Set<TokenID>, frozen: ByteTrie) {
        self.pieces = pieces
        self.unused = unused
        self.frozen = frozen
        ranks = scores.map { score in
            // Order of floats as order of integers, turned round; + 0 makes one zero of two.
            let bits = (score + 0).bitPattern
            return ~(bits >> 31 == 0 ? bits | 0x8000_0000 : ~bits)
        }
    }

    /// One symbol of the text; a symbol that was merged into its left neighbour has no bytes.
    private struct Symbol {
        var start: Int32
        var byteCount: Int32
        var previous: Int32
        var next: Int32
        var isFrozen: Bool
    }

    private static func key(_ start: Int32, _ byteCount: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: start)) << 32 | UInt64(UInt32(bitPattern: byteCount))
    }

    /// The text as ranges that are pieces or single scalars, each with its id or nil where it is no piece.
    func encode(_ text: UnsafeBufferPointer<UInt8>, emit: (UnsafeBufferPointer<UInt8>, TokenID?) -> Void) {
        var symbols = split(text)
        var origins: [UInt64: (Int32, Int32)] = [:]
        var heap = MergeHeap()
        for index in symbols.indices.dropLast() {
            if let item = candidate(index, symbols, text, &origins) { heap.stage(item) }
        }
        heap.heapify()
        while let top = heap.pop() {
            let index = top.position
            let right = Int(symbols[index].next)
            guard symbols[index].byteCount > 0, right >= 0,
                symbols[index].byteCount + symbols[right].byteCount == top.check
            else { continue }
            merge(index, right, &symbols)
            if let item = candidate(index, symbols, text, &origins) { heap.push(item) }
            let left = Int(symbols[index].previous)
            if left >= 0, let item = candidate(left, symbols, text, &origins) { heap.push(item) }
        }
        for symbol in symbols where symbol.byteCount > 0 {
            resegment(symbol.start, symbol.byteCount, text, origins, emit)
        }
    }

    private func split(_ text: UnsafeBufferPointer<UInt8>) -> [Symbol] {
        var symbols: [Symbol] = []
        symbols.reserveCapacity(text.count / 2)
        var index = 0
        while index < text.count {
            let match = frozen.isEmpty ? nil : frozen.longestMatch(text, at: index)
            let end = match?.end ?? min(index + utf8Length(text[index]), text.count)
            let place = Int32(symbols.count)
            symbols.append(
                Symbol(
                    start: Int32(index), byteCount: Int32(end - index), previous: place - 1, next: place + 1,
                    isFrozen: match != nil))
            index = end
        }
        if !symbols.isEmpty { symbols[symbols.count - 1].next = -1 }
        return symbols
    }

    private func merge(_ left: Int, _ right: Int, _ symbols: inout [Symbol]) {
        symbols[left].byteCount += symbols[right].byteCount
        symbols[right].byteCount = 0
        symbols[left].next = symbols[right].next
        let after = Int(symbols[right].next)
        if after >= 0 { symbols[after].previous = Int32(left) }
    }

    @inline(__always)
    private func candidate(
        _ index: Int, _ symbols: [Symbol], _ text: UnsafeBufferPointer<UInt8>, _ origins: inout [UInt64: (Int32, Int32)]
    ) -> MergeCandidate? {
        let left = symbols[index]
        guard left.next >= 0 else { return nil }
        let right = symbols[Int(left.next)]
        if left.isFrozen || right.isFrozen { return nil }
        let byteCount = left.byteCount + right.byteCount
        let start = Int(left.start)
        guard let id = pieces.find(UnsafeBufferPointer(rebasing: text[start..<start + Int(byteCount)])) else { return nil }
        if unused.contains(id) { origins[Self.key(left.start, byteCount)] = (left.byteCount, right.byteCount) }
        return MergeCandidate(rank: ranks[Int(id)], position: index, check: byteCount)
    }

    /// Emits a symbol, taken apart where it is a piece that may not be used. The depth is bounded by the symbol's
    /// length, which is bounded by the longest piece, so a list of what is left to do replaces recursion.
    private func resegment(
        _ start: Int32, _ byteCount: Int32, _ text: UnsafeBufferPointer<UInt8>,
        _ origins: [UInt64: (Int32, Int32)], _ emit: (UnsafeBufferPointer<UInt8>, TokenID?) -> Void
    ) {
        var pending = [(start, byteCount)]
        while let (start, byteCount) = pending.popLast() {
            let range = UnsafeBufferPointer(rebasing: text[Int(start)..<Int(start) + Int(byteCount)])
            let id = pieces.find(range)
            if let id, unused.contains(id), let (left, right) = origins[Self.key(start, byteCount)] {
                pending.append((start + left, right))
                pending.append((start, left))
            } else {
                emit(range, id)
            }
        }
    }
}
