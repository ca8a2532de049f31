import COpenSSL

/// The SHA-256 of a key: what is kept of it.
///
/// One round of a fast hash is right here, unlike for passwords: a key is 256 random bits, so that there is nothing to guess
/// from its hash, and a slow hash would let anonymous peers burn our time.
package struct KeyDigest: Sendable, Equatable {
    static let byteCount = 32

    private let bytes: [UInt8]

    package init(of key: [UInt8]) {
        var digest = [UInt8](repeating: 0, count: Self.byteCount)
        _ = SHA256(key, key.count, &digest)
        bytes = digest
    }

    /// Nil unless it is 64 hexadecimal digits.
    package init?(hex: some Collection<UInt8>) {
        guard hex.count == 2 * Self.byteCount else { return nil }
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in hex {
            guard let digit = Self.digit(character) else { return nil }
            if let first = high {
                bytes.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        self.bytes = bytes
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    package var hex: String {
        let digits = Array("0123456789abcdef".utf8)
        let text = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }

    /// In a time that does not tell how much is equal.
    func matches(_ other: KeyDigest) -> Bool { CRYPTO_memcmp(bytes, other.bytes, Self.byteCount) == 0 }
}
