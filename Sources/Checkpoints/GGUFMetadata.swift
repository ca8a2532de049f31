import InferenceTypes

/// A value of a GGUF file's key-value section.
///
/// - Source: GGUF specification, `gguf_metadata_value_type`. Integers of every width are widened; an unsigned 64-bit
///   value past `Int64.max` is refused while parsing, since no key that we read can mean one.
package enum GGUFValue: Sendable, Equatable {
    case integer(Int64)
    case float(Double)
    case bool(Bool)
    case string([UInt8])
    case integers([Int64])
    case floats([Float])
    case bools([Bool])
    case strings([[UInt8]])

    package var asInteger: Int64? { if case .integer(let value) = self { value } else { nil } }
    package var asBool: Bool? { if case .bool(let value) = self { value } else { nil } }
    package var asBytes: [UInt8]? { if case .string(let value) = self { value } else { nil } }
    package var asIntegers: [Int64]? { if case .integers(let value) = self { value } else { nil } }
    package var asFloats: [Float]? { if case .floats(let value) = self { value } else { nil } }
    package var asStrings: [[UInt8]]? { if case .strings(let value) = self { value } else { nil } }

    /// Any number, as a `Double`.
    package var asDouble: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .float(let value): value
        default: nil
        }
    }
}

/// The key-value section of a GGUF file.
package struct GGUFMetadata: Sendable {
    private var values: [[UInt8]: GGUFValue]

    package init(_ values: [[UInt8]: GGUFValue]) { self.values = values }

    /// Key as bytes: keys of a file are compared as they lie there.
    package subscript(_ key: [UInt8]) -> GGUFValue? { values[key] }

    package subscript(_ key: String) -> GGUFValue? { values[Array(key.utf8)] }

    package var count: Int { values.count }
}
