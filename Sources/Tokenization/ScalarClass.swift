/// General category and white space of a scalar in one byte.
struct ScalarClass {
    var rawValue: UInt8

    /// Category numbers, so that a set of categories is a bit mask.
    private enum Number {
        static let upper: UInt8 = 0, lower: UInt8 = 1, title: UInt8 = 2, modifierLetter: UInt8 = 3
        static let otherLetter: UInt8 = 4, mark: UInt8 = 5, decimal: UInt8 = 6, otherNumber: UInt8 = 7
        static let connector: UInt8 = 8, punctuation: UInt8 = 9, symbol: UInt8 = 10, other: UInt8 = 11
    }

    /// A set of categories.
    struct Set {
        var bits: UInt16

        fileprivate init(_ numbers: UInt8...) { bits = numbers.reduce(0) { $0 | 1 << $1 } }

        func union(_ other: Set) -> Set {
            var result = self
            result.bits |= other.bits
            return result
        }

        /// `\p{L}`
        static let letter = Set(
            Number.upper, Number.lower, Number.title, Number.modifierLetter, Number.otherLetter)
        /// `\p{N}`
        static let number = Set(Number.decimal, Number.otherNumber)
        /// `\p{M}`
        static let mark = Set(Number.mark)
        /// `\p{P}`
        static let punctuation = Set(Number.connector, Number.punctuation)
        /// `\p{S}`
        static let symbol = Set(Number.symbol)
        /// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
        static let upperish = Set(
            Number.upper, Number.title, Number.modifierLetter, Number.otherLetter, Number.mark)
        /// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
        static let lowerish = Set(Number.lower, Number.modifierLetter, Number.otherLetter, Number.mark)
        /// `\w`
        static let word = letter.union(mark).union(Set(Number.decimal, Number.connector))
    }

    private static let whiteSpaceBit: UInt8 = 0x80

    /// `\s`
    @inline(__always)
    var isWhiteSpace: Bool { rawValue & Self.whiteSpaceBit != 0 }

    @inline(__always)
    func isIn(_ set: Set) -> Bool { set.bits >> (rawValue & 0x0F) & 1 != 0 }

    /// Classes of the scalars below U+10000, where nearly all text is.
    private static let basicPlane: [UInt8] = (0..<0x10000).map { value in
        Unicode.Scalar(UInt32(value)).map { computed($0).rawValue } ?? Number.other
    }

    static func of(_ scalar: UInt32) -> ScalarClass {
        if scalar < 0x10000 { return ScalarClass(rawValue: basicPlane[Int(scalar)]) }
        return Unicode.Scalar(scalar).map(computed) ?? ScalarClass(rawValue: Number.other)
    }

    private static func computed(_ scalar: Unicode.Scalar) -> ScalarClass {
        let properties = scalar.properties
        let space = properties.isWhitespace ? whiteSpaceBit : 0
        return ScalarClass(rawValue: number(properties.generalCategory) | space)
    }

    private static func number(_ category: Unicode.GeneralCategory) -> UInt8 {
        switch category {
        case .uppercaseLetter: Number.upper
        case .lowercaseLetter: Number.lower
        case .titlecaseLetter: Number.title
        case .modifierLetter: Number.modifierLetter
        case .otherLetter: Number.otherLetter
        case .nonspacingMark, .spacingMark, .enclosingMark: Number.mark
        case .decimalNumber: Number.decimal
        case .letterNumber, .otherNumber: Number.otherNumber
        case .connectorPunctuation: Number.connector
        case .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation, .finalPunctuation,
            .otherPunctuation:
            Number.punctuation
        case .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol: Number.symbol
        default: Number.other
        }
    }
}
