/// A key as the server knows it: its holder's name and what he may do, not the key itself.
package struct APIKey: Sendable, Equatable {
    /// ASCII letters, digits, `.`, `_` and `-`: it stands in log lines and in accounts.
    package var name: String
    package var digest: KeyDigest
    package var limits = KeyLimits()
    /// May use the administration's routes, and end completions of others.
    package var isAdmin = false

    package init(name: String, digest: KeyDigest) {
        self.name = name
        self.digest = digest
    }
}

/// What the holder of a key may use. Nil is no bound.
package struct KeyLimits: Sendable, Equatable {
    package var requestsPerMinute: Int?
    /// Tokens of prompts and of what is generated.
    package var tokensPerMinute: Int?
    package var concurrentRequests: Int?
    /// The highest `max_tokens`.
    package var maxTokens: Int?
    /// The most urgent `priority`; lower is served first. Nobody pushes ahead of others unless his key says that he may.
    package var priority = 0

    package init() {}
}

extension APIKey {
    /// The key of these that was presented.
    ///
    /// Looks at every key and every byte, whichever it is, so that the time says nothing of what the keys are.
    static func find(_ presented: KeyDigest, in keys: [APIKey]) -> APIKey? {
        var found: Int?
        for (place, key) in keys.enumerated() where key.digest.matches(presented) { found = place }
        return found.map { keys[$0] }
    }
}

/// A key that was just made: the one moment at which it is known.
package struct NewKey: Sendable {
    /// `nt-` and 256 bits from the system, as URLs spell base 64.
    package let text: String
    package let digest: KeyDigest

    package init() {
        var system = SystemRandomNumberGenerator()
        self.init(random: (0..<Self.byteCount).map { _ in UInt8.random(in: .min ... .max, using: &system) })
    }

    init(random: [UInt8]) {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var text = Array("nt-".utf8)
        var (bits, bitCount) = (0, 0)
        for byte in random {
            bits = (bits << 8 | Int(byte)) & 0xFFFF
            bitCount += 8
            while bitCount >= 6 {
                bitCount -= 6
                text.append(alphabet[bits >> bitCount & 63])
            }
        }
        if bitCount > 0 { text.append(alphabet[bits << (6 - bitCount) & 63]) }
        self.text = String(decoding: text, as: UTF8.self)
        digest = KeyDigest(of: text)
    }

    private static let byteCount = 32
}
