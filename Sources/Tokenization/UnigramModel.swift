import InferenceTypes

/// A unigram language model: the segmentation with the highest sum of scores, by Viterbi. A scalar that no piece
/// covers is unknown, at a score below all others.
///
/// - Source: Kudo 2018; google/sentencepiece `unigram_model.cc` (`EncodeOptimized`), Hugging Face tokenizers `Unigram`.
struct UnigramModel: Sendable {
    /// How sums are rounded: ties decide between segmentations, so each reference's type is kept.
    enum Precision: Sendable { case single, double }

    let trie: ByteTrie
    /// Score by id; what a user-defined piece gets depends on its length.
    let scores: [Double]
    let userDefined: Set<TokenID>
    let unknown: TokenID?
    let precision: Precision
    private let unknownScore: Double
    private let highestScore: Double

    /// How far below the lowest score an unknown scalar is (`kUnkPenalty` of both references).
    private static let unknownPenalty = 10.0

    init(
        trie: ByteTrie, scores: [Double], normal: [TokenID], userDefined: Set<TokenID>, unknown: TokenID?,
        precision: Precision
    ) {
        self.trie = trie
        self.scores = scores
        self.userDefined = userDefined
        self.unknown = unknown
        self.precision = precision
        let normalScores = normal.map { scores[Int($0)] }
        unknownScore = (normalScores.min() ?? 0) - Self.unknownPenalty
        highestScore = normalScores.max() ?? 0
    }

    /// The best way to reach a byte of the text.
    private struct Node {
        var score = 0.0
        var start: Int32 = -1
        var id: TokenID = -1
    }

    /// The text's segments, an unknown one with id nil. Neighbouring unknown scalars come one by one.
    func encode(_ text: UnsafeBufferPointer<UInt8>, emit: (UnsafeBufferPointer<UInt8>, TokenID?) -> Void) {
        var nodes = [Node](repeating: Node(), count: text.count + 1)
        var position = 0
        while position < text.count {
            let scalarEnd = min(position + utf8Length(text[position]), text.count)
            let base = nodes[position].score
            let coversScalar = extend(position, scalarEnd, base, text, &nodes)
            if !coversScalar { offer(base + unknownScore, position, scalarEnd, -1, &nodes) }
            position = scalarEnd
        }
        var path: [(Range<Int>, TokenID)] = []
        var end = text.count
        while end > 0 {
            let node = nodes[end]
            path.append((Int(node.start)..<end, node.id))
            end = Int(node.start)
        }
        for (range, id) in path.reversed() {
            emit(UnsafeBufferPointer(rebasing: text[range]), id < 0 ? nil : id)
        }
    }

    /// Offers every piece that starts at `position`. Returns whether one of them is just the scalar.
    @inline(__always)
    private func extend(
        _ position: Int, _ scalarEnd: Int, _ base: Double, _ text: UnsafeBufferPointer<UInt8>, _ nodes: inout [Node]
    ) -> Bool {
        guard var node = trie.start(text[position]) else { return false }
        var coversScalar = false
        var end = position + 1
        while true {
            if let id = trie.value(node) {
                offer(base + score(id, byteCount: end - position), position, end, id, &nodes)
                if end == scalarEnd { coversScalar = true }
            }
            guard end < text.count, let following = trie.next(node, text[end]) else { return coversScalar }
            node = following
            end += 1
        }
    }

    private func score(_ id: TokenID, byteCount: Int) -> Double {
        guard !userDefined.isEmpty, userDefined.contains(id) else { return scores[Int(id)] }
        return Double(byteCount) * highestScore - 0.1
    }

    @inline(__always)
    private func offer(_ score: Double, _ start: Int, _ end: Int, _ id: TokenID, _ nodes: inout [Node]) {
        let rounded = precision == .single ? Double(Float(score)) : score
        guard nodes[end].start < 0 || rounded > nodes[end].score else { return }
        nodes[end] = Node(score: rounded, start: Int32(start), id: id)
    }
}
