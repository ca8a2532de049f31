import InferenceTypes

/// SentencePiece's byte-pair encoding: any two neighbours whose joined text is a piece may merge, the highest score
/// first, the leftmost on a tie. A linked list and a heap keep it O(n log n) for a text that is one word.
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

    /// The segments of a text, each with its id or nil where it is no piece.
    func encode(_ text: UnsafeBufferPointer<UInt8>, emit: (UnsafeBufferPointer<UInt8>, TokenID?) -> Void) {
        var merge = SentencePieceMerge(self, text)
        merge.run()
        merge.forEachSymbol { start, byteCount in
            var pending = [(start, byteCount)]
            while let (start, byteCount) = pending.popLast() {
                let range = UnsafeBufferPointer(rebasing: text[Int(start)..<Int(start + byteCount)])
                let id = pieces.find(range)
                if let id, unused.contains(id), let left = merge.leftByteCount(start, byteCount) {
                    pending.append((start + left, byteCount - left))
                    pending.append((start, left))
                } else {
                    emit(range, id)
                }
            }
        }
    }
}

/// The merging of one text.
private struct SentencePieceMerge {
    /// One symbol of the text; a symbol that was merged into its left neighbour has no bytes.
    private struct Symbol {
        var start: Int32
        var byteCount: Int32
        var previous: Int32
        var next: Int32
        /// Rank of the merge with the next symbol; frozen symbols never have one.
        var rank = SentencePieceMerge.noMerge
        var isFrozen: Bool
    }

    private static let noMerge = UInt32.max

    private let model: SentencePieceMerger
    private let text: UnsafeBufferPointer<UInt8>
    private var symbols: [Symbol] = []
    private var heap = MergeHeap()
    /// Of pieces that may not be used: how many bytes of them came from the left.
    private var origins: [UInt64: Int32] = [:]

    init(_ model: SentencePieceMerger, _ text: UnsafeBufferPointer<UInt8>) {
        self.model = model
        self.text = text
        split()
    }

    private mutating func split() {
        symbols.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            let match = model.frozen.isEmpty ? nil : model.frozen.longestMatch(text, at: index)
            let end = match?.end ?? min(index + utf8Length(text[index]), text.count)
            let place = Int32(symbols.count)
            symbols.append(
                Symbol(
                    start: Int32(index), byteCount: Int32(end - index), previous: place - 1, next: place + 1,
                    isFrozen: match != nil))
            index = end
        }
        if !symbols.isEmpty { symbols[symbols.count - 1].next = -1 }
    }

    mutating func run() {
        for index in symbols.indices.dropLast() {
            lookUp(index)
            if symbols[index].rank != Self.noMerge { heap.stage(rank: symbols[index].rank, position: index) }
        }
        heap.heapify()
        while let top = heap.pop() {
            let index = top.position
            // A merge that a neighbour's merge has undone has another rank by now, none, or one as good.
            guard symbols[index].rank == top.rank else { continue }
            let right = Int(symbols[index].next)
            symbols[index].byteCount += symbols[right].byteCount
            symbols[index].next = symbols[right].next
            symbols[right].byteCount = 0
            symbols[right].rank = Self.noMerge
            if symbols[index].next >= 0 { symbols[Int(symbols[index].next)].previous = Int32(index) }
            offer(index)
            if symbols[index].previous >= 0 { offer(Int(symbols[index].previous)) }
        }
    }

    private mutating func offer(_ index: Int) {
        lookUp(index)
        if symbols[index].rank != Self.noMerge { heap.push(rank: symbols[index].rank, position: index) }
    }

    /// Looks up the merge of a symbol with its next one.
    private mutating func lookUp(_ index: Int) {
        let left = symbols[index]
        symbols[index].rank = Self.noMerge
        guard left.next >= 0, !left.isFrozen, !symbols[Int(left.next)].isFrozen else { return }
        let byteCount = left.byteCount + symbols[Int(left.next)].byteCount
        let whole = UnsafeBufferPointer(rebasing: text[Int(left.start)..<Int(left.start + byteCount)])
        guard let id = model.pieces.find(whole) else { return }
        if model.unused.contains(id) { origins[Self.key(left.start, byteCount)] = left.byteCount }
        symbols[index].rank = min(model.ranks[Int(id)], Self.noMerge - 1)
    }

    private static func key(_ start: Int32, _ byteCount: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: start)) << 32 | UInt64(UInt32(bitPattern: byteCount))
    }

    /// How a merged piece that may not be used was made; nil when it is a single symbol.
    func leftByteCount(_ start: Int32, _ byteCount: Int32) -> Int32? { origins[Self.key(start, byteCount)] }

    func forEachSymbol(_ body: (Int32, Int32) -> Void) {
        for symbol in symbols where symbol.byteCount > 0 { body(symbol.start, symbol.byteCount) }
    }
}
