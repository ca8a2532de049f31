import Foundation
@_spi(_Unicode) import Swift

/// Unicode's normalisation forms, in linear time whatever the text.
///
/// The standard library composes and decomposes canonically and fast, but keeps that to itself (hence the SPI), and it
/// sorts combining marks by insertion: half a megabyte of alternating marks would take minutes. So long runs of marks
/// are put in order before it sees them. Foundation (slower by a hundred times, and also quadratic) gives only the
/// compatibility mapping of single scalars.
///
/// - Source: Unicode Standard Annex 15.
enum UnicodeNormalization {
    enum Form { case canonicalComposition, canonicalDecomposition, compatibilityComposition, compatibilityDecomposition }

    static func apply(_ form: Form, _ text: [UInt8]) -> [UInt8] {
        // Nothing below U+0080 changes in any form.
        if text.allSatisfy({ $0 < 0x80 }) { return text }
        var scalars = Array(String(decoding: text, as: UTF8.self).unicodeScalars)
        if form == .compatibilityComposition || form == .compatibilityDecomposition {
            scalars = compatibilityMapped(scalars)
        }
        let ordered = string(ofOrdered: scalars)
        var result = String.UnicodeScalarView()
        switch form {
        case .canonicalComposition, .compatibilityComposition: result.append(contentsOf: ordered._nfc)
        case .canonicalDecomposition, .compatibilityDecomposition: result.append(contentsOf: ordered._nfd)
        }
        return Array(String(result).utf8)
    }

    /// Marks are sorted by their combining class, stably, which makes a canonically equivalent text. Three Tibetan
    /// vowel signs, which are no marks by class but decompose into marks, are taken apart for it.
    private static func string(ofOrdered scalars: [Unicode.Scalar]) -> String {
        var result = String.UnicodeScalarView()
        var marks: [Unicode.Scalar] = []
        for scalar in scalars {
            if scalar.value < 0x300 || (scalar.properties.canonicalCombiningClass == .notReordered
                && tibetanVowels[scalar.value] == nil)
            {
                flush(&marks, into: &result)
                result.append(scalar)
            } else if let parts = tibetanVowels[scalar.value] {
                marks.append(contentsOf: parts)
            } else {
                marks.append(scalar)
            }
        }
        flush(&marks, into: &result)
        return String(result)
    }

    private static let tibetanVowels: [UInt32: [Unicode.Scalar]] = [
        0x0F73: ["\u{0F71}", "\u{0F72}"], 0x0F75: ["\u{0F71}", "\u{0F74}"], 0x0F81: ["\u{0F71}", "\u{0F80}"],
    ]

    private static func flush(_ marks: inout [Unicode.Scalar], into result: inout String.UnicodeScalarView) {
        if marks.count > 1 {
            // Stable because the place decides between equal classes.
            let order = marks.enumerated().sorted {
                let (left, right) = (combiningClass($0.element), combiningClass($1.element))
                return left == right ? $0.offset < $1.offset : left < right
            }
            result.append(contentsOf: order.map(\.element))
        } else {
            result.append(contentsOf: marks)
        }
        marks.removeAll(keepingCapacity: true)
    }

    private static func combiningClass(_ scalar: Unicode.Scalar) -> UInt8 {
        scalar.properties.canonicalCombiningClass.rawValue
    }

    /// Each scalar by its full compatibility decomposition, asked for once per distinct scalar.
    private static func compatibilityMapped(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var known: [Unicode.Scalar: [Unicode.Scalar]] = [:]
        var result: [Unicode.Scalar] = []
        result.reserveCapacity(scalars.count)
        for scalar in scalars {
            if scalar.value < 0x80 {
                result.append(scalar)
            } else if let mapped = known[scalar] {
                result.append(contentsOf: mapped)
            } else {
                let mapped = Array(String(scalar).decomposedStringWithCompatibilityMapping.unicodeScalars)
                known[scalar] = mapped
                result.append(contentsOf: mapped)
            }
        }
        return result
    }
}
