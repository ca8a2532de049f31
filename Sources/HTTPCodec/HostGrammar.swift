/// The grammar of `Host` and of an authority without user information. Nothing else of the server ever depends on a
/// Host's value; a bad one is refused because others rebuild URLs from it (vLLM CVE-2026-48746).
///
/// - Source: RFC 9110 7.2, RFC 3986 3.2.2 and 3.2.3. An empty host is refused: an `http` URI has none (RFC 9110 4.2.1).
enum HostGrammar {
    static func accepts(_ value: ArraySlice<UInt8>) -> Bool {
        if value.first == UInt8(ascii: "[") {
            guard let close = value.firstIndex(of: UInt8(ascii: "]")) else { return false }
            return isLiteral(value[(value.startIndex + 1)..<close]) && isPort(value[(close + 1)...])
        }
        let colon = value.firstIndex(of: UInt8(ascii: ":")) ?? value.endIndex
        let name = value[..<colon]
        return !name.isEmpty && name.consistsOfEscapes(or: .registeredName) && isPort(value[colon...])
    }

    /// Nothing, or a colon and a number up to 65535; the number may be missing (RFC 3986 3.2.3).
    private static func isPort(_ text: ArraySlice<UInt8>) -> Bool {
        guard let colon = text.first else { return true }
        let digits = text.dropFirst()
        guard colon == UInt8(ascii: ":"), digits.count <= 5, digits.allSatisfy(\.isDigit) else { return false }
        return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) } <= 65535
    }

    private static func isLiteral(_ text: ArraySlice<UInt8>) -> Bool {
        guard text.first?.lowercased == UInt8(ascii: "v") else { return isIPv6(text) }
        let version = text.dropFirst().prefix { $0.hexValue != nil }
        let rest = text[version.endIndex...]
        let address = rest.dropFirst()
        return !version.isEmpty && rest.first == UInt8(ascii: ".") && !address.isEmpty
            && address.allSatisfy { ByteSet.registeredName.contains($0) || $0 == UInt8(ascii: ":") }
    }

    /// Eight groups of up to four hexadecimal digits; `::` once, in place of one or more groups of zeros; the last two
    /// groups may be written as an IPv4 address.
    private static func isIPv6(_ text: ArraySlice<UInt8>) -> Bool {
        let colon = UInt8(ascii: ":")
        guard let gap = text.indices.dropLast().first(where: { text[$0] == colon && text[$0 + 1] == colon }) else {
            return groupCount(text, isEnd: true) == 8
        }
        let (left, right) = (text[..<gap], text[(gap + 2)...])
        guard let before = left.isEmpty ? 0 : groupCount(left, isEnd: false),
            let after = right.isEmpty ? 0 : groupCount(right, isEnd: true)
        else { return false }
        return before + after <= 7
    }

    /// How many groups the text is, nil when it is something else. An IPv4 address at the end of all counts as two.
    private static func groupCount(_ text: ArraySlice<UInt8>, isEnd: Bool) -> Int? {
        var groups = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        var addressCount = 0
        if isEnd, let last = groups.last, isIPv4(last) {
            groups.removeLast()
            addressCount = 2
        }
        let areHex = groups.allSatisfy { (1...4).contains($0.count) && $0.allSatisfy { $0.hexValue != nil } }
        return areHex ? groups.count + addressCount : nil
    }

    private static func isIPv4(_ text: ArraySlice<UInt8>) -> Bool {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                guard (1...3).contains(part.count), part.allSatisfy(\.isDigit) else { return false }
                return part.reduce(0) { $0 * 10 + Int($1 - 0x30) } <= 255 && (part.count == 1 || part.first != 0x30)
            }
    }
}
