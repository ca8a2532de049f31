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
    enum Form {
        case canonicalComposition, canonicalDecomposition, compatibilityComposition, compatibilityDecomposition
    }

    static func apply(_ form: Form, _ text: [UInt8]) -> [UInt8] {
        // Nothing below U+0080 changes in any form.
        if text.allSatisfy({ $0 < 0x80 }) { return text }
        var scalars = Array(String(decoding: text, as: UTF8.self).unicodeScalars)
        if form == .compatibilityComposition || form == .compatibilityDecomposition {
            scalars = compatibilityMapped(scalars)
        }
        let ordered = String(decoding: utf8(ofOrdered: scalars), as: UTF8.self)
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        switch form {
        case .canonicalComposition, .compatibilityComposition:
            for scalar in ordered._nfc { append(scalar, to: &result) }
        case .canonicalDecomposition, .compatibilityDecomposition:
            for scalar in ordered._nfd { append(scalar, to: &result) }
        }
        return result
    }

    /// Marks are sorted by their combining class, stably, which makes a canonically equivalent text. Three Tibetan
    /// vowel signs, which are no marks by class but decompose into marks, are taken apart for it.
    private static func utf8(ofOrdered scalars: [Unicode.Scalar]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(scalars.count * 2)
        var marks: [Unicode.Scalar] = []
        for scalar in scalars {
            if let parts = tibetanVowels[scalar.value] {
                marks.append(contentsOf: parts)
            } else if scalar.value >= 0x300, scalar.properties.canonicalCombiningClass != .notReordered {
                marks.append(scalar)
            } else {
                if !marks.isEmpty { flush(&marks, to: &result) }
                append(scalar, to: &result)
            }
        }
        flush(&marks, to: &result)
        return result
    }

    @inline(__always)
    private static func append(_ scalar: Unicode.Scalar, to result: inout [UInt8]) {
        if scalar.value < 0x80 {
            result.append(UInt8(scalar.value))
        } else {
            result.append(contentsOf: UTF8.encode(scalar) ?? .init())
        }
    }

    private static let tibetanVowels: [UInt32: [Unicode.Scalar]] = [
        0x0F73: ["\u{0F71}", "\u{0F72}"], 0x0F75: ["\u{0F71}", "\u{0F74}"], 0x0F81: ["\u{0F71}", "\u{0F80}"],
    ]

    /// Appends marks in the order of their classes, keeping the order within a class; a counting sort, being linear.
    private static func flush(_ marks: inout [Unicode.Scalar], to result: inout [UInt8]) {
        if marks.count > 1 {
            var starts = [Int](repeating: 0, count: 257)
            for mark in marks { starts[Int(combiningClass(mark)) + 1] += 1 }
            for index in 1..<257 { starts[index] += starts[index - 1] }
            var sorted = marks
            for mark in marks {
                sorted[starts[Int(combiningClass(mark))]] = mark
                starts[Int(combiningClass(mark))] += 1
            }
            marks = sorted
        }
        for mark in marks { append(mark, to: &result) }
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
