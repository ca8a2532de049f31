import Testing

@testable import Engine

struct StopMatcherTests {
    @Test(
        "what is handed out piece by piece, and where it stops",
        arguments: [
            (["stop"], ["a", "st", "op", "x"], ["a", "", ""], "stop"),
            (["stop"], ["st", "ep", "s"], ["", "step", "", "s"], nil),
            (["aab"], ["aaab"], ["a"], "aab"),
            (["aab"], ["a", "a", "a", "c"], ["", "", "a", "aac", ""], nil),
            (["abcd", "bc"], ["ab", "c", "d"], ["", "a"], "bc"),
            (["abc", "bc"], ["xabc"], ["x"], "abc"),
            (["é!"], ["caf", "é", "?é!"], ["caf", "", "é?"], "é!"),
            (["\n\n"], ["one\n", "\n"], ["one", ""], "\n\n"),
            ([], ["any", "thing"], ["any", "thing", ""], nil),
            (["x"], ["x"], [""], "x"),
        ] as [([String], [String], [String], String?)])
    func trace(stops: [String], pieces: [String], expected: [String], stop expectedStop: String?) {
        var matcher = StopMatcher(stops.map { Array($0.utf8) }, keepsStop: false)
        var texts: [String] = []
        var found: [UInt8]?
        for piece in pieces where found == nil {
            let (text, stop) = matcher.append(Array(piece.utf8))
            texts.append(String(decoding: text, as: UTF8.self))
            found = stop
        }
        if found == nil { texts.append(String(decoding: matcher.finish(), as: UTF8.self)) }
        #expect(texts == expected)
        #expect(found == expectedStop.map { Array($0.utf8) })
    }

    @Test(
        "any split of any text is cut where a plain search cuts it, and no more is held than can become a stop string")
    func againstPlainSearch() {
        for seed in 0..<3000 as Range<UInt64> {
            var random = SplitMix(seed)
            let stops = (0..<random.below(4)).map { _ in random.bytes(count: 1 + random.below(5), alphabet: 2) }
            let text = random.bytes(count: random.below(40), alphabet: 3)
            let (expected, expectedStop) = cutAtStop(text, stops)
            var matcher = StopMatcher(stops, keepsStop: false)
            var seen: [UInt8] = []
            var handedOut: [UInt8] = []
            var found: [UInt8]?
            while found == nil, seen.count < text.count {
                let piece = Array(text[seen.count..<min(text.count, seen.count + 1 + random.below(6))])
                seen += piece
                let (ready, stop) = matcher.append(piece)
                handedOut += ready
                found = stop
                if stop == nil { #expect(seen.count - handedOut.count == longestStopHead(endOf: seen, stops)) }
            }
            if found == nil { handedOut += matcher.finish() }
            #expect(handedOut == expected && found == expectedStop, "seed \(seed)")
        }
    }

    private func longestStopHead(endOf text: [UInt8], _ stops: [[UInt8]]) -> Int {
        stops.reduce(0) { longest, stop in
            max(
                longest,
                (0..<stop.count).last { text.suffix($0).elementsEqual(stop.prefix($0)) && $0 <= text.count } ?? 0)
        }
    }
}

/// The plain version of `StopMatcher`: tries every end, then every stop string, and compares.
func cutAtStop(_ text: [UInt8], _ stops: [[UInt8]]) -> (text: [UInt8], stop: [UInt8]?) {
    for end in 0..<text.count + 1 {
        let ending = stops.filter { $0.count <= end && text[end - $0.count..<end].elementsEqual($0) }
        if let stop = ending.max(by: { $0.count < $1.count }) { return (Array(text[..<(end - stop.count)]), stop) }
    }
    return (text, nil)
}
