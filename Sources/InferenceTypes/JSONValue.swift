/// A parsed JSON document. Strings are the UTF-8 bytes they stand for, because Swift compares `String` by canonical
/// equivalence and that merges keys which differ.
package enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    /// A number written without fraction and exponent that fits 64 bits.
    case integer(Int64)
    /// Any other number. Finite: what overflows a `Double` is refused by the parser.
    case double(Double)
    case string([UInt8])
    case array([JSONValue])
    /// Members in the order of the document, keys unique.
    case object([JSONMember])

    /// The value of a member, nil when this is no object or has no such member. Linear: for small objects.
    package subscript(_ key: StaticString) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return key.withUTF8Buffer { name in members.first { $0.key.elementsEqual(name) }?.value }
    }

    package var asInteger: Int64? { if case .integer(let value) = self { value } else { nil } }
    package var asBool: Bool? { if case .bool(let value) = self { value } else { nil } }
    package var asBytes: [UInt8]? { if case .string(let value) = self { value } else { nil } }
    package var asArray: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    package var asObject: [JSONMember]? { if case .object(let value) = self { value } else { nil } }
    package var isNull: Bool { self == .null }

    /// Any number, as a `Double`.
    package var asDouble: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }
}

/// One member of a JSON object.
package struct JSONMember: Sendable, Equatable {
    package var key: [UInt8]
    package var value: JSONValue

    package init(key: [UInt8], value: JSONValue) {
        self.key = key
        self.value = value
    }
}
