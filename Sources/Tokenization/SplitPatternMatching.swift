/// What a pattern finds at a place: how far it reaches, and whether it is a match or text between matches.
///
/// Each step goes forward over what it looked at, up to a constant number of times, so splitting is linear.
struct SplitStep {
    var end: Int
    var isMatch: Bool
}

extension SplitPattern {
    /// Looks at the text from `index`, which is before `view.end`.
    func step(_ view: ScalarView, _ index: Int) -> SplitStep {
        switch self {
        case .gpt2: return SplitStep(end: view.gpt2(index), isMatch: true)
        case .words(let words): return view.found(words.match(view, index), index)
        case .deepSeek3: return view.found(view.deepSeek3(index), index)
        case .numbers(let count): return view.found(view.numbers(index, atMost: count), index)
        case .threeDigits: return view.found(view.threeDigits(index), index)
        case .newline: return view.found(view.isLineEnd(index) ? index + 1 : nil, index)
        case .lines: return SplitStep(end: view.line(index), isMatch: true)
        case .spaced(let run): return view.found(run.match(view, index), index)
        case .trailingSpace:
            let end = view.spaces(from: index)
            return SplitStep(end: max(end, index + 1), isMatch: end == view.end && end > index)
        case .ranges(let ranges): return view.found(view.run(index) { view.isIn(ranges, $0) }, index)
        case .punctuation(let includesBacktick):
            return view.found(view.run(index) { view.isPunctuation($0, includesBacktick: includesBacktick) }, index)
        case .spaces(let count):
            let end = view.run(index) { view.scalars[$0] == 0x20 } ?? index + 1
            return SplitStep(end: end, isMatch: view.scalars[index] == 0x20 && end - index >= count)
        case .literal(let text): return view.found(view.literal(text, index), index)
        }
    }
}

extension ScalarView {
    @inline(__always)
    fileprivate func found(_ end: Int?, _ index: Int) -> SplitStep {
        SplitStep(end: end ?? index + 1, isMatch: end != nil)
    }

    /// The end of a run of scalars that pass, nil when there is none.
    @inline(__always)
    fileprivate func run(_ index: Int, _ passes: (Int) -> Bool) -> Int? {
        var last = index
        while last < end, passes(last) { last += 1 }
        return last > index ? last : nil
    }

    fileprivate func isIn(_ ranges: [ClosedRange<UInt32>], _ index: Int) -> Bool {
        ranges.contains { $0.contains(scalars[index]) }
    }

    /// `[\p{P}$+<=>^~|]`, the backtick where asked for: punctuation and the symbols of ASCII.
    fileprivate func isPunctuation(_ index: Int, includesBacktick: Bool) -> Bool {
        let scalar = scalars[index]
        if scalar == 0x60 { return includesBacktick }
        return classes[index].isIn(.punctuation) || (scalar < 0x80 && classes[index].isIn(.symbol))
    }

    fileprivate func line(_ index: Int) -> Int {
        let isNewline = scalars[index] == 0x0A
        return run(index) { (scalars[$0] == 0x0A) == isNewline } ?? index + 1
    }

    fileprivate func literal(_ text: [UInt32], _ index: Int) -> Int? {
        guard index + text.count <= end else { return nil }
        for offset in text.indices where scalars[index + offset] != text[offset] { return nil }
        return index + text.count
    }

    fileprivate func numbers(_ index: Int, atMost count: Int) -> Int? {
        let limit = count < end - index ? index + count : end
        var last = index
        while last < limit, classes[last].isIn(.number) { last += 1 }
        return last > index ? last : nil
    }

    fileprivate func threeDigits(_ index: Int) -> Int? {
        guard index + 3 <= end else { return nil }
        for offset in 0..<3 where !(0x30...0x39).contains(scalars[index + offset]) { return nil }
        return index + 3
    }

    /// `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll`, `'d`.
    fileprivate func contraction(_ index: Int, _ folding: SplitPattern.CaseFolding) -> Int? {
        guard index + 1 < end, scalars[index] == 0x27 else { return nil }
        switch letter(index + 1, folding) {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return index + 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"):
            return letter(index + 2, folding) == UInt8(ascii: "e") ? index + 3 : nil
        case UInt8(ascii: "l"): return letter(index + 2, folding) == UInt8(ascii: "l") ? index + 3 : nil
        default: return nil
        }
    }

    /// The ASCII letter at a place, folded.
    private func letter(_ index: Int, _ folding: SplitPattern.CaseFolding) -> UInt8? {
        guard index < end else { return nil }
        let scalar = scalars[index]
        if folding == .unicode, scalar == 0x17F { return UInt8(ascii: "s") }
        if folding != .none, (0x41...0x5A).contains(scalar) { return UInt8(scalar + 0x20) }
        return UInt8(exactly: scalar)
    }

    /// `\s+(?!\S)|\s+`: white space, but its last scalar is left for the word that follows.
    @inline(__always)
    fileprivate func space(_ index: Int) -> Int? {
        let last = spaces(from: index)
        if last == index { return nil }
        return last == end || last == index + 1 ? last : last - 1
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`
    fileprivate func lineEndOrSpace(_ index: Int) -> Int? {
        let last = spaces(from: index)
        var afterLineEnd = last
        while afterLineEnd > index, !isLineEnd(afterLineEnd - 1) { afterLineEnd -= 1 }
        if afterLineEnd > index { return afterLineEnd }
        if last == index { return nil }
        return last == end || last == index + 1 ? last : last - 1
    }

    fileprivate func gpt2(_ index: Int) -> Int {
        if let end = contraction(index, .none) { return end }
        let start = scalars[index] == 0x20 ? index + 1 : index
        if has(.letter, start) { return run(.letter, from: start) }
        if has(.number, start) { return run(.number, from: start) }
        if let last = symbols(start, excluding: ScalarClass.Set.letter.union(.number)) { return last }
        return space(index) ?? index + 1
    }

    /// `[^\s…]+`
    @inline(__always)
    fileprivate func symbols(_ index: Int, excluding set: ScalarClass.Set) -> Int? {
        var last = index
        while last < end, !classes[last].isWhiteSpace, !classes[last].isIn(set) { last += 1 }
        return last > index ? last : nil
    }

    fileprivate func deepSeek3(_ index: Int) -> Int? {
        let scalar = scalars[index]
        let isSign = scalar > 0x20 && scalar < 0x7F && !classes[index].isIn(.letter) && !classes[index].isIn(.number)
        if isSign, let last = run(index + 1, isASCIILetter) { return last }
        let letters = ScalarClass.Set.letter.union(.mark)
        let signs = ScalarClass.Set.punctuation.union(.symbol)
        let mayLead = !isLineEnd(index) && !classes[index].isIn(.letter) && !classes[index].isIn(signs)
        if mayLead, has(letters, index + 1) { return run(letters, from: index + 1) }
        if has(letters, index) { return run(letters, from: index) }
        let start = scalar == 0x20 ? index + 1 : index
        if has(signs, start) { return lineEnds(from: run(signs, from: start)) }
        return lineEndOrSpace(index)
    }

    private func isASCIILetter(_ index: Int) -> Bool {
        (0x41...0x5A).contains(scalars[index]) || (0x61...0x7A).contains(scalars[index])
    }
}

extension SplitPattern.WordPattern {
    fileprivate func match(_ view: ScalarView, _ index: Int) -> Int? {
        if contractions == .first, let end = view.contraction(index, folding) { return end }
        if let end = word(view, index) { return end }
        if let end = view.numbers(index, atMost: digits) { return end }
        let start = view.scalars[index] == 0x20 ? index + 1 : index
        var excluded = ScalarClass.Set.letter.union(.number)
        if joinsMarks { excluded = excluded.union(.mark) }
        if let end = view.symbols(start, excluding: excluded) { return afterSymbols(view, end) }
        return view.lineEndOrSpace(index)
    }

    /// `[\r\n]*` or `[\r\n/]*`
    private func afterSymbols(_ view: ScalarView, _ index: Int) -> Int {
        var index = index
        while view.isLineEnd(index) || (takesSlashes && index < view.end && view.scalars[index] == 0x2F) { index += 1 }
        return index
    }

    /// One scalar that is no letter, number or line end, and the letters behind it; or letters alone.
    private func word(_ view: ScalarView, _ index: Int) -> Int? {
        let mayLead =
            !view.isLineEnd(index) && !view.classes[index].isIn(.letter) && !view.classes[index].isIn(.number)
        guard splitsAtCapitals else {
            let set = joinsMarks ? ScalarClass.Set.letter.union(.mark) : .letter
            if mayLead, view.has(set, index + 1) { return view.run(set, from: index + 1) }
            return view.has(set, index) ? view.run(set, from: index) : nil
        }
        let end =
            (mayLead ? smallWord(view, index + 1) : nil) ?? smallWord(view, index)
            ?? (mayLead ? capitalWord(view, index + 1) : nil) ?? capitalWord(view, index)
        guard let end, contractions == .afterLetters else { return end }
        return view.contraction(end, folding) ?? end
    }

    /// `U*L+`, with U the capitals and L the small letters; letters without case and marks are in both.
    private func smallWord(_ view: ScalarView, _ index: Int) -> Int? {
        let upperEnd = view.run(.upperish, from: index)
        let lowerEnd = view.run(.lowerish, from: upperEnd)
        if lowerEnd > upperEnd { return lowerEnd }
        // L+ needs a scalar that U* has taken: U* gives back up to the last one that is in both.
        var last = upperEnd
        while last > index, !view.classes[last - 1].isIn(.lowerish) { last -= 1 }
        return last > index ? last : nil
    }

    /// `U+L*`
    private func capitalWord(_ view: ScalarView, _ index: Int) -> Int? {
        let upperEnd = view.run(.upperish, from: index)
        return upperEnd > index ? view.run(.lowerish, from: upperEnd) : nil
    }
}

extension SplitPattern.SpacedRun {
    fileprivate func match(_ view: ScalarView, _ index: Int) -> Int? {
        if view.hasSpace(index), let end = view.run(index + 1, { passes(view, $0) }) { return end }
        return view.run(index) { passes(view, $0) }
    }

    @inline(__always)
    private func passes(_ view: ScalarView, _ index: Int) -> Bool {
        switch self {
        case .letters: view.classes[index].isIn(.letter)
        case .punctuation: view.classes[index].isIn(.punctuation)
        case .casedLetters: view.isIn(SplitPattern.casedLetters, index)
        case .wideMarks: view.isIn(SplitPattern.wideMarks, index)
        }
    }
}
