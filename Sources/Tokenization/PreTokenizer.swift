/// Cuts a text into the words that the model then tokenises one by one.
struct PreTokenizer: Sendable {
    /// What becomes of a pattern's matches.
    ///
    /// - Source: Hugging Face tokenizers, `SplitDelimiterBehavior`.
    enum Behavior: Sendable { case isolated, removed, contiguous, mergedWithPrevious, mergedWithNext }

    enum Stage: Sendable {
        case split(SplitPattern, Behavior, isInverted: Bool)
        /// Punctuation of Unicode or ASCII.
        case punctuation(Behavior)
        /// Runs of numbers, or each number alone.
        case digits(Behavior)
        /// White space goes, the rest stays.
        case whitespaceSplit
        /// `\w+|[^\w\s]+`
        case words
        /// A space in front where there is none, perhaps GPT-2's pattern, and bytes from here on.
        case byteLevel(addsPrefixSpace: Bool, splits: Bool)
        case metaspace(Metaspace)
    }

    /// SentencePiece's way with spaces: a mark in their stead, and one in front.
    struct Metaspace: Sendable, Equatable {
        enum Prefix: Sendable { case always, first, never }
        var mark: [UInt8] = Array("▁".utf8)
        var prefix = Prefix.always
        var splits = true
    }

    var stages: [Stage] = []
    /// Without stages: whether the text is cut before each "▁" (see `WordBoundaries`).
    var cutsAtMarks = false

    /// The words of a text, in order.
    ///
    /// - Parameter isFirst: whether this is the beginning of the whole text.
    func forEachWord(_ text: [UInt8], isFirst: Bool, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
        guard !text.isEmpty else { return }
        if stages.isEmpty {
            text.withUnsafeBufferPointer { cutsAtMarks ? WordBoundaries.forEachWord($0, body) : body($0) }
            return
        }
        var split = SplitText(text, isFirst: isFirst)
        for stage in stages { split.apply(stage) }
        split.text.bytes.withUnsafeBufferPointer { bytes in
            for piece in split.pieces where !piece.isEmpty {
                body(UnsafeBufferPointer(rebasing: bytes[split.text.byteRange(piece)]))
            }
        }
    }
}

/// A text and the pieces that it has been cut into so far, as ranges of scalars.
private struct SplitText {
    var text: ScalarText
    var pieces: [Range<Int>]
    /// Whether the first piece begins the whole text.
    let isFirst: Bool
    /// Whether the scalars stand for bytes.
    var isBytes = false

    init(_ bytes: [UInt8], isFirst: Bool) {
        text = ScalarText(bytes)
        pieces = [0..<text.count]
        self.isFirst = isFirst
    }

    mutating func apply(_ stage: PreTokenizer.Stage) {
        switch stage {
        case .split(let pattern, let behavior, let isInverted):
            cut(behavior, isInverted: isInverted) { pattern.step($0, $1) }
        case .punctuation(let behavior):
            cut(behavior) { view, index in
                let scalar = view.scalars[index]
                let isASCIISymbol = scalar < 0x80 && view.classes[index].isIn(.symbol)
                let isMatch = isASCIISymbol || view.classes[index].isIn(.punctuation)
                return SplitStep(end: index + 1, isMatch: isMatch)
            }
        case .digits(let behavior):
            cut(behavior) { SplitStep(end: $1 + 1, isMatch: $0.classes[$1].isIn(.number)) }
        case .whitespaceSplit:
            cut(.removed) { SplitStep(end: $1 + 1, isMatch: $0.classes[$1].isWhiteSpace) }
        case .words: cut(.removed, isInverted: true, Self.wordStep)
        case .byteLevel(let addsPrefixSpace, let splits):
            if addsPrefixSpace { prefixPieces(with: 0x20) }
            if splits { cut(.isolated) { SplitPattern.gpt2.step($0, $1) } }
            standInForBytes()
        case .metaspace(let metaspace): apply(metaspace)
        }
    }

    private static func wordStep(_ view: ScalarView, _ index: Int) -> SplitStep {
        if view.classes[index].isIn(.word) { return SplitStep(end: view.run(.word, from: index), isMatch: true) }
        var end = index
        while end < view.end, !view.classes[end].isIn(.word), !view.classes[end].isWhiteSpace { end += 1 }
        return SplitStep(end: max(end, index + 1), isMatch: end > index)
    }

    /// Cuts each piece into matches and what is between, and treats them as `behavior` says.
    private mutating func cut(
        _ behavior: PreTokenizer.Behavior, isInverted: Bool = false, _ step: (ScalarView, Int) -> SplitStep
    ) {
        var result: [Range<Int>] = []
        text.scalars.withUnsafeBufferPointer { scalars in
            text.classes.withUnsafeBufferPointer { classes in
                guard let scalarBase = scalars.baseAddress, let classBase = classes.baseAddress else { return }
                for piece in pieces where !piece.isEmpty {
                    let view = ScalarView(scalars: scalarBase, classes: classBase, end: piece.upperBound)
                    var cutter = PieceCutter(behavior: behavior, isInverted: isInverted, start: piece.lowerBound)
                    var index = piece.lowerBound
                    while index < piece.upperBound {
                        let step = step(view, index)
                        cutter.take(index..<step.end, isMatch: step.isMatch, into: &result)
                        index = step.end
                    }
                    cutter.finish(into: &result)
                }
            }
        }
        pieces = result
    }

    /// Puts a byte before each piece that does not begin with it.
    private mutating func prefixPieces(with prefix: UInt8) {
        var bytes: [UInt8] = []
        var ends: [Int] = []
        for piece in pieces where !piece.isEmpty {
            if text.scalars[piece.lowerBound] != UInt32(prefix) { bytes.append(prefix) }
            bytes.append(contentsOf: text.bytes[text.byteRange(piece)])
            ends.append(bytes.count)
        }
        rebuild(ScalarText(bytes), byteEnds: ends)
    }

    /// Takes a new text, whose pieces end at the given bytes.
    private mutating func rebuild(_ newText: ScalarText, byteEnds: [Int]) {
        text = newText
        pieces.removeAll(keepingCapacity: true)
        var start = 0
        var index = 0
        for end in byteEnds {
            while Int(newText.offsets[index]) < end { index += 1 }
            pieces.append(start..<index)
            start = index
        }
    }

    private mutating func standInForBytes() {
        guard !isBytes else { return }
        isBytes = true
        pieces = pieces.map { text.byteRange($0) }
        text = ScalarText(standInsFor: text.bytes)
    }

    private mutating func apply(_ metaspace: PreTokenizer.Metaspace) {
        var bytes: [UInt8] = []
        var ends: [Int] = []
        for (place, piece) in pieces.enumerated() where !piece.isEmpty {
            let start = bytes.count
            for byte in text.bytes[text.byteRange(piece)] {
                if byte == 0x20 { bytes.append(contentsOf: metaspace.mark) } else { bytes.append(byte) }
            }
            let wantsPrefix = metaspace.prefix == .always || (metaspace.prefix == .first && isFirst && place == 0)
            if wantsPrefix, !bytes[start...].starts(with: metaspace.mark) {
                bytes.insert(contentsOf: metaspace.mark, at: start)
            }
            ends.append(bytes.count)
        }
        rebuild(ScalarText(bytes), byteEnds: ends)
        guard metaspace.splits, let mark = ScalarText(metaspace.mark).scalars.first else { return }
        cut(.mergedWithNext) { SplitStep(end: $1 + 1, isMatch: $0.scalars[$1] == mark) }
    }
}

/// Turns matches and what is between them into pieces.
private struct PieceCutter {
    let behavior: PreTokenizer.Behavior
    let isInverted: Bool
    /// Where the text begins that is not yet in a piece.
    var start: Int
    private var end: Int
    /// Whether that text is a match; nil at the beginning.
    private var openIsMatch: Bool?

    init(behavior: PreTokenizer.Behavior, isInverted: Bool, start: Int) {
        self.behavior = behavior
        self.isInverted = isInverted
        self.start = start
        end = start
    }

    mutating func take(_ range: Range<Int>, isMatch rawMatch: Bool, into result: inout [Range<Int>]) {
        let isMatch = rawMatch != isInverted
        let joins: Bool
        switch (openIsMatch, isMatch) {
        case (nil, _): joins = true
        // What lies between two matches is one piece, however many steps went over it.
        case (isInverted, isInverted): joins = true
        case (true, true), (false, false): joins = behavior == .contiguous
        case (false, true): joins = behavior == .mergedWithPrevious
        case (true, false): joins = behavior == .mergedWithNext
        }
        if !joins { close(into: &result) }
        end = range.upperBound
        openIsMatch = isMatch
    }

    mutating func finish(into result: inout [Range<Int>]) { close(into: &result) }

    private mutating func close(into result: inout [Range<Int>]) {
        if start < end, !(behavior == .removed && openIsMatch == true) { result.append(start..<end) }
        start = end
        openIsMatch = nil
    }
}

extension PreTokenizer {
    /// Whether words are bytes in the byte-level alphabet.
    var standsInForBytes: Bool {
        stages.contains { if case .byteLevel = $0 { true } else { false } }
    }
}
