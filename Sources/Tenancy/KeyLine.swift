/// One line of a file of keys.
enum KeyLine {
    private static let nameLimit = 64
    /// More than anybody means; keeps sums far inside an `Int`.
    private static let countLimit = 1_000_000_000

    /// - Returns: nil for a line that says nothing.
    static func parse(_ line: ArraySlice<UInt8>, number: Int) throws(KeyFileError) -> APIKey? {
        var words = line.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\r") }
        if let comment = words.firstIndex(where: { $0.first == UInt8(ascii: "#") }) { words = Array(words[..<comment]) }
        guard let first = words.first else { return nil }
        guard isName(first) else {
            throw KeyFileError(
                line: number, "a name is 1 to \(nameLimit) ASCII letters, digits, '.', '_' and '-', the last not first")
        }
        guard words.count > 1, let digest = digest(words[1]) else {
            throw KeyFileError(line: number, "the name must be followed by sha256: and 64 hexadecimal digits")
        }
        var key = APIKey(name: String(decoding: first, as: UTF8.self), digest: digest)
        var seen: Set<String> = []
        for word in words.dropFirst(2) { try read(word, number, into: &key, &seen) }
        return key
    }

    private static func isName(_ word: ArraySlice<UInt8>) -> Bool {
        (1...nameLimit).contains(word.count) && word.first != UInt8(ascii: "-")
            && word.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    private static func digest(_ word: ArraySlice<UInt8>) -> KeyDigest? {
        let prefix = Array("sha256:".utf8)
        return word.starts(with: prefix) ? KeyDigest(hex: word.dropFirst(prefix.count)) : nil
    }

    private static func read(
        _ word: ArraySlice<UInt8>, _ line: Int, into key: inout APIKey, _ seen: inout Set<String>
    ) throws(KeyFileError) {
        guard let equals = word.firstIndex(of: UInt8(ascii: "=")) else {
            throw KeyFileError(line: line, "a setting is spelled NAME=VALUE, as requests-per-minute=60")
        }
        let name = String(decoding: word[..<equals].prefix(nameLimit), as: UTF8.self)
        let value = word[(equals + 1)...]
        guard seen.insert(name).inserted else { throw KeyFileError(line: line, "\(name) is set twice") }
        switch name {
        case "requests-per-minute": key.limits.requestsPerMinute = try count(value, name, line)
        case "tokens-per-minute": key.limits.tokensPerMinute = try count(value, name, line)
        case "concurrent": key.limits.concurrentRequests = try count(value, name, line)
        case "max-tokens": key.limits.maxTokens = try count(value, name, line)
        case "priority": key.limits.priority = try priority(value, line)
        case "role":
            guard value.elementsEqual("admin".utf8) else {
                throw KeyFileError(line: line, "the one role is admin: role=admin")
            }
            key.isAdmin = true
        default:
            throw KeyFileError(
                line: line,
                "unknown setting; there are requests-per-minute, tokens-per-minute, concurrent, max-tokens, priority and role"
            )
        }
    }

    private static func count(_ value: ArraySlice<UInt8>, _ name: String, _ line: Int) throws(KeyFileError) -> Int {
        guard let number = digits(value), number >= 1 else {
            throw KeyFileError(line: line, "\(name) must be a whole number in 1…\(countLimit)")
        }
        return number
    }

    private static func priority(_ value: ArraySlice<UInt8>, _ line: Int) throws(KeyFileError) -> Int {
        let isNegative = value.first == UInt8(ascii: "-")
        guard let number = digits(isNegative ? value.dropFirst() : value) else {
            throw KeyFileError(line: line, "priority must be a whole number in -\(countLimit)…\(countLimit)")
        }
        return isNegative ? -number : number
    }

    /// A number without sign, of digits alone.
    private static func digits(_ value: ArraySlice<UInt8>) -> Int? {
        guard (1...10).contains(value.count) else { return nil }
        var number = 0
        for byte in value {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            number = number * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return number <= countLimit ? number : nil
    }
}
