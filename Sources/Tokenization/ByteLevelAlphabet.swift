/// The printable stand-ins that GPT-2 gave to bytes, so that its vocabulary file could be text.
///
/// Printable ASCII and Latin-1 stand for themselves; the other 68 bytes are U+0100 onwards in order of value.
///
/// - Source: `bytes_to_unicode` of OpenAI's GPT-2.
enum ByteLevelAlphabet {
    /// The scalar of each byte.
    static let scalars: [UInt32] = {
        var next: UInt32 = 0x100
        return (0..<256).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return UInt32(byte)
            default:
                defer { next += 1 }
                return next
            }
        }
    }()

    /// The byte of each scalar below `bytes.count`, -1 where there is none.
    private static let bytes: [Int16] = {
        var table = [Int16](repeating: -1, count: 0x144)
        for (byte, scalar) in scalars.enumerated() { table[Int(scalar)] = Int16(byte) }
        return table
    }()

    /// The UTF-8 of a byte's scalar.
    static func spelling(of byte: UInt8) -> [UInt8] {
        let scalar = scalars[Int(byte)]
        return scalar < 0x80 ? [UInt8(scalar)] : [UInt8(0xC0 | scalar >> 6), UInt8(0x80 | scalar & 0x3F)]
    }

    /// The bytes that a piece spells, nil when a scalar of it is no stand-in.
    static func decode(_ piece: some Collection<UInt8>) -> [UInt8]? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(piece.count)
        var lead: UInt32?
        for byte in piece {
            let scalar: UInt32
            switch (lead, byte) {
            case (nil, 0..<0x80): scalar = UInt32(byte)
            case (nil, 0xC2...0xC5):
                lead = UInt32(byte & 0x1F) << 6
                continue
            case (let high?, 0x80...0xBF): scalar = high | UInt32(byte & 0x3F)
            default: return nil
            }
            lead = nil
            guard Int(scalar) < bytes.count, let value = UInt8(exactly: bytes[Int(scalar)]) else { return nil }
            decoded.append(value)
        }
        return lead == nil ? decoded : nil
    }
}
