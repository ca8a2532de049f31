/// The character classes of the HTTP and URI grammars, as bit sets over the 128 ASCII codes.
///
/// - Source: RFC 9110 5.6.2 (token), RFC 3986 2 and 3.3 (unreserved, sub-delims, pchar).
struct ByteSet {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    init(_ members: StaticString) {
        members.withUTF8Buffer { for byte in $0 { insert(byte) } }
    }

    private mutating func insert(_ byte: UInt8) {
        if byte < 64 { low |= 1 << UInt64(byte) } else { high |= 1 << UInt64(byte & 63) }
    }

    func contains(_ byte: UInt8) -> Bool {
        guard byte < 128 else { return false }
        return (byte < 64 ? low >> UInt64(byte) : high >> UInt64(byte & 63)) & 1 == 1
    }

    static let token = ByteSet(
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    /// `unreserved` and `sub-delims`: what a registered name holds besides percent escapes.
    static let registeredName = ByteSet(
        "-._~!$&'()*+,;=0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    /// `pchar` and the slash, besides percent escapes.
    static let path = ByteSet(
        "-._~!$&'()*+,;=:@/0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    /// What clients really send in a query: every visible character that a URL parser leaves as it is. Wider than RFC
    /// 3986 (browsers send brackets and bars); we only carry it along.
    static let query = ByteSet(
        "-._~!$&'()*+,;=:@/?%[]{}|\\^`0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

extension UInt8 {
    static let cr = UInt8(ascii: "\r")
    static let lf = UInt8(ascii: "\n")
    static let space = UInt8(ascii: " ")
    static let tab = UInt8(ascii: "\t")

    var isWhitespace: Bool { self == .space || self == .tab }
    var isDigit: Bool { self >= 0x30 && self <= 0x39 }

    /// The value of a hexadecimal digit, nil for any other byte.
    var hexValue: UInt8? {
        switch self {
        case 0x30...0x39: self - 0x30
        case 0x41...0x46: self - 0x41 + 10
        case 0x61...0x66: self - 0x61 + 10
        default: nil
        }
    }

    /// A byte that a field value may hold: anything but control bytes; tab is allowed (RFC 9110 5.5).
    var isFieldContent: Bool { self >= 0x20 && self != 0x7F || self == .tab }

    var lowercased: UInt8 { self >= 0x41 && self <= 0x5A ? self | 0x20 : self }
}

extension ArraySlice<UInt8> {
    /// Without the spaces and tabs around it (OWS, RFC 9110 5.6.3).
    var trimmed: ArraySlice<UInt8> {
        var (first, last) = (startIndex, endIndex)
        while first < last, self[first].isWhitespace { first += 1 }
        while last > first, self[last - 1].isWhitespace { last -= 1 }
        return self[first..<last]
    }

    /// ASCII letters compared without case.
    /// - Requires: `word` is in lower case.
    func equalsIgnoringCase(_ word: StaticString) -> Bool {
        guard count == word.utf8CodeUnitCount else { return false }
        return word.withUTF8Buffer { letters in
            zip(self, letters).allSatisfy { $0.lowercased == $1 }
        }
    }

    /// The elements of a comma-separated list, trimmed, empty ones left out (RFC 9110 5.6.1).
    var listElements: [ArraySlice<UInt8>] {
        split(separator: UInt8(ascii: ","), omittingEmptySubsequences: true).map(\.trimmed).filter { !$0.isEmpty }
    }

    /// Every byte is of the set, or part of a percent escape.
    func consistsOfEscapes(or set: ByteSet) -> Bool {
        var index = startIndex
        while index < endIndex {
            if set.contains(self[index]) {
                index += 1
            } else {
                guard self[index] == UInt8(ascii: "%"), endIndex - index >= 3,
                    self[index + 1].hexValue != nil, self[index + 2].hexValue != nil
                else { return false }
                index += 3
            }
        }
        return true
    }
}
