extension [UInt8] {
    /// Whether the bytes are well-formed UTF-8 (no overlong forms, no surrogates, nothing past U+10FFFF).
    package var isValidUTF8: Bool { self[...].isValidUTF8 }
}

extension ArraySlice<UInt8> {
    /// Whether the bytes are well-formed UTF-8 (no overlong forms, no surrogates, nothing past U+10FFFF).
    package var isValidUTF8: Bool {
        var index = startIndex
        while index < endIndex {
            let byte = self[index]
            if byte < 0x80 {
                index += 1
                continue
            }
            let length: Int
            let secondRange: ClosedRange<UInt8>
            switch byte {
            case 0xC2...0xDF: (length, secondRange) = (2, 0x80...0xBF)
            case 0xE0: (length, secondRange) = (3, 0xA0...0xBF)
            case 0xED: (length, secondRange) = (3, 0x80...0x9F)
            case 0xE1...0xEF: (length, secondRange) = (3, 0x80...0xBF)
            case 0xF0: (length, secondRange) = (4, 0x90...0xBF)
            case 0xF4: (length, secondRange) = (4, 0x80...0x8F)
            case 0xF1...0xF3: (length, secondRange) = (4, 0x80...0xBF)
            default: return false
            }
            guard index + length <= endIndex, secondRange.contains(self[index + 1]) else { return false }
            for offset in 2..<Swift.max(length, 2) where self[index + offset] & 0xC0 != 0x80 { return false }
            index += length
        }
        return true
    }
}
