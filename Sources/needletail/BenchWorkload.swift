import CompletionsAPI
import Engine
import Glibc
import InferenceTypes

/// Which requests a load generator sends: prompts that are alike in length and nothing else, from a seed.
struct BenchWorkload: Sendable {
    var prompts: Prompts
    var maxTokens: Int
    /// Nil leaves the choice to the server.
    var model: String?
    var isStream: Bool
    /// Members that each request has besides, or instead.
    var extra: [JSONMember]
    var seed: UInt64

    enum Prompts: Sendable, Equatable {
        /// Words that most vocabularies have as one token.
        case words(count: Int)
        /// Ids themselves.
        case tokens(count: Int)
        case trace(SimulationWorkload, scale: Int)
    }

    /// A request of the open loop comes so long after the one before, on average.
    ///
    /// - Source: a Poisson process: gaps are −ln(1 − u) / rate.
    static func arrivals(count: Int, rate: Double, seed: UInt64) -> [UInt64] {
        var time = 0.0
        return (0..<count).map { index in
            time -= log(1 - uniform(mix(seed &+ 0xA11_1FA1) &+ UInt64(index))) / rate
            return UInt64(exactly: (min(time, 1e9) * 1e9).rounded()) ?? 0
        }
    }

    /// In 0 ..< 1.
    private static func uniform(_ number: UInt64) -> Double { Double(mix(number) >> 11) * 0x1p-53 }

    /// - Source: SplitMix64, Steele, Lea and Flood (2014).
    private static func mix(_ number: UInt64) -> UInt64 {
        var z = number &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    /// The body of request `index`.
    func body(_ index: Int) -> JSONValue {
        var members: [JSONMember] = []
        func add(_ key: String, _ value: JSONValue) {
            guard !extra.contains(where: { $0.key.elementsEqual(key.utf8) }) else { return }
            members.append(JSONMember(key: Array(key.utf8), value: value))
        }
        if let model { add("model", .words(model)) }
        add("prompt", prompt(index))
        add("max_tokens", .number(maxTokens(index)))
        add("temperature", .number(0))
        add("ignore_eos", .bool(true))
        if isStream {
            add("stream", .bool(true))
            add("stream_options", .document(["include_usage": .bool(true)]))
        }
        return .object(members + extra)
    }

    func request(_ index: Int, to target: BenchTarget, arrival: UInt64?) -> BenchRequest {
        let body = JSONWriter.bytes(of: body(index))
        let head =
            "POST \(target.base)/completions HTTP/1.1\r\nHost: \(target.authority)\r\nContent-Type: application/json\r\n"
            + "Content-Length: \(body.count)\r\n\r\n"
        return BenchRequest(bytes: Array(head.utf8) + body, isStream: isStream, arrival: arrival)
    }

    private func maxTokens(_ index: Int) -> Int {
        guard case .trace(let trace, _) = prompts else { return maxTokens }
        return trace.entries[index].generatedTokenCount
    }
}

// MARK: - Prompts

extension BenchWorkload {
    private func prompt(_ index: Int) -> JSONValue {
        let name = Self.mix(seed &+ Self.mix(UInt64(index)))
        switch prompts {
        case .words(let count): return .string(words((0..<count).map { Self.mix(name &+ UInt64($0)) }))
        case .tokens(let count):
            // Every vocabulary has these, and they are no special tokens of any that we know.
            return .array((0..<count).map { .integer(Int64(32 + Self.mix(name &+ UInt64($0)) % 192)) })
        case .trace(let trace, let scale):
            return .string(words(numbers(trace.entries[index], scale: scale, name: name)))
        }
    }

    /// Numbers of a prompt's words: equal where the trace says so, else of its own.
    private func numbers(_ entry: SimulationWorkload.Entry, scale: Int, name: UInt64) -> [UInt64] {
        let width = max(1, SimulationWorkload.tokensPerPrefix / scale)
        return (0..<entry.promptTokenCount).map { position in
            let (place, offset) = position.quotientAndRemainder(dividingBy: width)
            guard place < entry.prefixes.count else { return Self.mix(name &+ UInt64(position)) }
            return Self.mix(Self.mix(UInt64(bitPattern: entry.prefixes[place])) &+ UInt64(offset))
        }
    }

    private func words(_ numbers: [UInt64]) -> [UInt8] {
        var text: [UInt8] = []
        for number in numbers { text += Self.vocabulary[Int(number % UInt64(Self.vocabulary.count))] }
        return text
    }

    /// Common words, each with a space before it.
    private static let vocabulary: [[UInt8]] = """
        the of and to in is you that it he was for on are as with his they at be this have from or one had by word but not \
        what all were we when your can said there use an each which she do how their if will up other about out many then \
        them these so some her would make like him into time has look two more write go see number no way could people my \
        than first water been call who oil its now find long down day did get come made may part
        """.split(separator: " ").map { Array((" " + $0).utf8) }
}
