import InferenceTypes
import Tokenization

/// What tokens are called in an answer.
struct TokenNames: Sendable {
    enum Spelling: Sendable {
        /// Their text; `bytes:\xe2\x80` where that is no whole UTF-8.
        case text
        /// `token_id:5`.
        case ids
    }

    let tokenizer: Tokenizer
    let spelling: Spelling

    /// - Source: api.md B.2 rule 6; `token_id:` is vLLM's.
    func name(of token: TokenID) -> [UInt8] {
        if spelling == .ids { return Array("token_id:\(token)".utf8) }
        let bytes = tokenizer.bytes(of: token)
        return bytes.isValidUTF8 ? bytes : Array("bytes:".utf8) + bytes.flatMap(Self.escape)
    }

    private static func escape(_ byte: UInt8) -> [UInt8] {
        [UInt8(ascii: "\\"), UInt8(ascii: "x"), hexDigit(byte >> 4), hexDigit(byte)]
    }
}

/// The legacy `logprobs` object while it grows: four arrays with an entry for each token.
///
/// - Source: api.md B.2.
struct LogprobsArrays {
    private let names: TokenNames
    private let count: Int
    private var tokens: [JSONValue] = []
    private var chosen: [JSONValue] = []
    private var top: [JSONValue] = []
    private var offsets: [JSONValue] = []

    /// - Parameter count: entries of `top_logprobs`; the token itself is one more where it is not among them.
    init(_ names: TokenNames, count: Int) {
        self.names = names
        self.count = count
    }

    /// - Parameter logprobs: nil for a token that nothing stands before.
    mutating func append(_ token: TokenID, _ logprobs: TokenLogprobs?, offset: Int) {
        tokens.append(.string(names.name(of: token)))
        chosen.append(logprobs.map { .logprob($0.chosen.logprob) } ?? .null)
        top.append(logprobs.map(entries) ?? .null)
        offsets.append(.count(offset))
    }

    var document: JSONValue {
        .members([
            "tokens": .array(tokens), "token_logprobs": .array(chosen), "top_logprobs": .array(top),
            "text_offset": .array(offsets),
        ])
    }

    /// Of tokens with the same name the most probable one stays: a key is there once.
    private func entries(_ logprobs: TokenLogprobs) -> JSONValue {
        var members = JSONMembers()
        for entry in logprobs.entries(count) { members.addOnce(names.name(of: entry.token), .logprob(entry.logprob)) }
        return members.document
    }
}

/// vLLM's `prompt_logprobs`: for each token of the prompt but the first an object from ids to what is known of them.
enum PromptLogprobs {
    static func document(_ logprobs: [TokenLogprobs], count: Int, _ names: TokenNames) -> JSONValue {
        .array([.null] + logprobs.map { document($0, count: count, names) })
    }

    private static func document(_ logprobs: TokenLogprobs, count: Int, _ names: TokenNames) -> JSONValue {
        var members = JSONMembers()
        for (place, entry) in logprobs.entries(count).enumerated() {
            let rank = entry.token == logprobs.chosen.token ? logprobs.rank : place + 1
            members.add(
                "\(entry.token)",
                .members([
                    "logprob": .logprob(entry.logprob), "rank": .count(rank),
                    "decoded_token": .string(names.tokenizer.bytes(of: entry.token)),
                ]))
        }
        return members.document
    }
}

extension TokenLogprobs {
    /// The `count` most probable ones, and the chosen one where it is not among them.
    fileprivate func entries(_ count: Int) -> [Entry] {
        let best = Array(top.prefix(count))
        return best.contains { $0.token == chosen.token } ? best : best + [chosen]
    }
}

extension JSONValue {
    /// In the digits of a `Float`, so that equal values print equal; −∞, which JSON cannot say, as -9999.0.
    ///
    /// - Source: api.md B.2 rules 4 and 8.
    static func logprob(_ value: Float) -> JSONValue {
        guard value.isFinite else { return .double(-9999) }
        return .double(Double(value.description) ?? Double(value))
    }

    static func ids(_ tokens: [TokenID]) -> JSONValue { .array(tokens.map { .integer(Int64($0)) }) }
}

/// An object while it grows.
struct JSONMembers {
    private var members: [JSONMember] = []

    mutating func add(_ key: String, _ value: JSONValue) {
        members.append(JSONMember(key: Array(key.utf8), value: value))
    }

    /// Linear: for small objects.
    mutating func addOnce(_ key: [UInt8], _ value: JSONValue) {
        if !members.contains(where: { $0.key == key }) { members.append(JSONMember(key: key, value: value)) }
    }

    var document: JSONValue { .object(members) }
}
