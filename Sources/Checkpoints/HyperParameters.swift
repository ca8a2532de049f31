import InferenceTypes

/// Named values of a model's description, from either format, each checked against its range when it is read.
struct HyperParameters {
    private enum Source {
        case keys(GGUFMetadata, prefix: String)
        case members(JSONValue)
    }

    private enum Field {
        case integer(Int64)
        case number(Double)
        case flag(Bool)
        case text([UInt8])
        case object(JSONValue)
        case list([JSONValue])
        case null
        case other
    }

    let file: String
    private let source: Source
    /// What stands before a name in messages.
    private let path: String

    /// Keys of a GGUF file that start with `prefix`.
    init(_ metadata: GGUFMetadata, prefix: String, file: String) {
        source = .keys(metadata, prefix: prefix)
        path = prefix
        self.file = file
    }

    /// Members of a JSON object.
    init(_ object: JSONValue, path: String = "", file: String) {
        source = .members(object)
        self.path = path
        self.file = file
    }

    private func field(_ name: String) -> Field? {
        switch source {
        case .keys(let metadata, let prefix): metadata[prefix + name].map(Self.field)
        case .members(let object):
            object.asObject?.first { $0.key.elementsEqual(name.utf8) }.map { Self.field($0.value) }
        }
    }

    private static func field(_ value: GGUFValue) -> Field {
        switch value {
        case .integer(let value): .integer(value)
        case .float(let value): .number(value)
        case .bool(let value): .flag(value)
        case .string(let value): .text(value)
        default: .other
        }
    }

    private static func field(_ value: JSONValue) -> Field {
        switch value {
        case .null: .null
        case .bool(let value): .flag(value)
        case .integer(let value): .integer(value)
        case .double(let value): .number(value)
        case .string(let value): .text(value)
        case .array(let items): .list(items)
        case .object: .object(value)
        }
    }

    private static func shown(_ field: Field?) -> String {
        switch field {
        case nil: "none"
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .flag(let value): "\(value)"
        case .text(let bytes): quoted(bytes)
        case .null: "null"
        case .object: "an object"
        case .list, .other: "an array"
        }
    }

    /// The error that says what was expected of a value; what was found is looked up.
    func failure(_ name: String, expected: String) -> CheckpointError {
        CheckpointError(
            file: file, section: "configuration", expected: "\(path)\(name) to be \(expected)",
            found: Self.shown(field(name)))
    }
}

extension HyperParameters {
    /// Whether the name is there, be its value null or not.
    func contains(_ name: String) -> Bool { field(name) != nil }

    /// Whether there is nothing to read.
    func isNil(_ name: String) -> Bool {
        switch field(name) {
        case nil, .null: true
        default: false
        }
    }

    /// A whole number, nil when absent or null.
    func integer(_ name: String, ifPresentIn range: ClosedRange<Int>) throws(CheckpointError) -> Int? {
        if isNil(name) { return nil }
        guard case .integer(let wide) = field(name), let value = Int(exactly: wide), range.contains(value) else {
            throw failure(name, expected: "a whole number in \(range)")
        }
        return value
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(CheckpointError) -> Int {
        guard let value = try integer(name, ifPresentIn: range) else {
            throw failure(name, expected: "a whole number in \(range)")
        }
        return value
    }

    /// Any number, nil when absent or null.
    func number(_ name: String, ifPresentIn range: ClosedRange<Double>) throws(CheckpointError) -> Double? {
        let value: Double
        switch field(name) {
        case nil, .null: return nil
        case .integer(let whole): value = Double(whole)
        case .number(let number): value = number
        default: throw failure(name, expected: "a number in \(range)")
        }
        guard range.contains(value) else { throw failure(name, expected: "a number in \(range)") }
        return value
    }

    func number(_ name: String, in range: ClosedRange<Double>) throws(CheckpointError) -> Double {
        guard let value = try number(name, ifPresentIn: range) else {
            throw failure(name, expected: "a number in \(range)")
        }
        return value
    }

    /// A truth value, nil when absent or null.
    func flag(_ name: String) throws(CheckpointError) -> Bool? {
        if isNil(name) { return nil }
        guard case .flag(let value) = field(name) else { throw failure(name, expected: "true or false") }
        return value
    }

    /// A string's bytes, nil when absent or null.
    func text(_ name: String) throws(CheckpointError) -> [UInt8]? {
        if isNil(name) { return nil }
        guard case .text(let bytes) = field(name) else { throw failure(name, expected: "a string") }
        return bytes
    }

    /// The members of an object, nil when absent or null.
    func object(_ name: String) throws(CheckpointError) -> HyperParameters? {
        if isNil(name) { return nil }
        guard case .object(let value) = field(name) else { throw failure(name, expected: "an object") }
        return HyperParameters(value, path: "\(path)\(name).", file: file)
    }

    /// The strings of an array, or one string; nil when absent or null.
    func texts(_ name: String) throws(CheckpointError) -> [[UInt8]]? {
        switch field(name) {
        case nil, .null: return nil
        case .text(let bytes): return [bytes]
        case .list(let items):
            let texts = items.compactMap(\.asBytes)
            guard texts.count == items.count else { throw failure(name, expected: "an array of strings") }
            return texts
        default: throw failure(name, expected: "an array of strings")
        }
    }
}
