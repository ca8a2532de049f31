import InferenceTypes

/// One pass over a GGUF file's header, keys and tensor table. Nothing recurses and nothing is allocated before the
/// bytes that it is for are known to be there.
struct GGUFParser {
    /// - Source: GGUF specification, `gguf_metadata_value_type`.
    private enum ValueType: UInt32 {
        case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

        /// Bytes of a value, at least.
        var minimumByteCount: Int {
            switch self {
            case .uint8, .int8, .bool: 1
            case .uint16, .int16: 2
            case .uint32, .int32, .float32: 4
            case .string, .uint64, .int64, .float64: 8
            case .array: 12
            }
        }
    }

    private(set) var version = 0
    private(set) var values: [[UInt8]: GGUFValue] = [:]
    /// Where each key's value lies, type first, in the order of the file.
    private(set) var valueRanges: [(key: [UInt8], range: Range<Int>)] = []
    private(set) var tensors: [TensorView] = []
    let mapping: FileMapping
    var reader: ByteReader

    init(_ mapping: FileMapping) {
        self.mapping = mapping
        reader = ByteReader(mapping.bytes, fileName: mapping.fileName, section: "header")
    }

    mutating func parse() throws(CheckpointError) {
        try magicAndVersion()
        // A key takes a length, a type and a value; a tensor a length, a dimension count, a dimension, a type and an offset.
        let tensorCount = try count(limit: CheckpointLimits.tensorCount, of: "tensors", minimumByteCount: 32)
        let keyCount = try count(limit: CheckpointLimits.keyCount, of: "keys", minimumByteCount: 14)
        reader.section = "keys"
        values.reserveCapacity(keyCount)
        for _ in 0..<keyCount { try pair() }
        reader.section = "tensor table"
        tensors = try tensorTable(count: tensorCount)
    }

    private mutating func magicAndVersion() throws(CheckpointError) {
        let magic = try reader.take(4, "the magic word")
        guard magic.elementsEqual("GGUF".utf8) else {
            let isSwapped = magic.elementsEqual("FUGG".utf8)
            throw reader.failure(
                expected: "the magic word 'GGUF'", found: isSwapped ? "a big-endian file" : quoted(magic))
        }
        let number = try reader.integer(UInt32.self, "the version")
        guard number == 2 || number == 3 else {
            let isSwapped = number.byteSwapped == 2 || number.byteSwapped == 3
            throw reader.failure(
                expected: "version 2 or 3", found: isSwapped ? "a big-endian file" : "version \(number)")
        }
        version = Int(number)
    }

    /// A count of things that take at least so many bytes each.
    private mutating func count(limit: Int, of what: String, minimumByteCount: Int) throws(CheckpointError) -> Int {
        let count = try reader.count(limit: limit, "the number of \(what)")
        guard count <= reader.remaining / minimumByteCount else {
            throw reader.failure(
                expected: "\(count) \(what) of at least \(minimumByteCount) bytes", found: "\(reader.remaining) bytes")
        }
        return count
    }
}

// MARK: - Keys

extension GGUFParser {
    private mutating func pair() throws(CheckpointError) {
        let start = reader.offset
        let key = try string(limit: CheckpointLimits.keyByteCount, "a key's length")
        guard !key.isEmpty else { throw reader.failure(expected: "a key at byte \(start)", found: "an empty one") }
        guard values[key] == nil else {
            throw reader.failure(expected: "each key once", found: "\(quoted(key)) again at byte \(start)")
        }
        let valueStart = reader.offset
        values[key] = try value(try valueType(of: key), of: key)
        valueRanges.append((key, valueStart..<reader.offset))
    }

    private mutating func valueType(of key: [UInt8]) throws(CheckpointError) -> ValueType {
        let number = try reader.integer(UInt32.self, "a type")
        guard let type = ValueType(rawValue: number) else {
            throw reader.failure(expected: "a value type 0 to 12 for \(quoted(key))", found: "\(number)")
        }
        return type
    }

    private mutating func value(_ type: ValueType, of key: [UInt8]) throws(CheckpointError) -> GGUFValue {
        switch type {
        case .string: .string(try string(limit: CheckpointLimits.stringByteCount, "the length of \(quoted(key))"))
        case .array: try array(of: key)
        case .bool: .bool(try bool(of: key))
        case .float32, .float64: .float(try float(type))
        default: .integer(try integer(type, of: key))
        }
    }

    private mutating func string(
        limit: Int, _ what: @autoclosure () -> String
    ) throws(CheckpointError) -> [UInt8] {
        let count = try reader.count(limit: limit, what())
        return Array(try reader.take(count, "a string"))
    }

    private mutating func bool(of key: [UInt8]) throws(CheckpointError) -> Bool {
        let byte = try reader.integer(UInt8.self, "a bool")
        guard byte < 2 else { throw reader.failure(expected: "0 or 1 for \(quoted(key))", found: "\(byte)") }
        return byte == 1
    }

    private mutating func float(_ type: ValueType) throws(CheckpointError) -> Double {
        if type == .float64 { return Double(bitPattern: try reader.integer(UInt64.self, "a float64")) }
        return Double(Float(bitPattern: try reader.integer(UInt32.self, "a float32")))
    }

    private mutating func integer(_ type: ValueType, of key: [UInt8]) throws(CheckpointError) -> Int64 {
        switch type {
        case .uint8: return Int64(try reader.integer(UInt8.self, "a uint8"))
        case .int8: return Int64(try reader.integer(Int8.self, "an int8"))
        case .uint16: return Int64(try reader.integer(UInt16.self, "a uint16"))
        case .int16: return Int64(try reader.integer(Int16.self, "an int16"))
        case .uint32: return Int64(try reader.integer(UInt32.self, "a uint32"))
        case .int32: return Int64(try reader.integer(Int32.self, "an int32"))
        case .int64: return try reader.integer(Int64.self, "an int64")
        default:
            let wide = try reader.integer(UInt64.self, "a uint64")
            guard let value = Int64(exactly: wide) else {
                throw reader.failure(expected: "a number below 2^63 for \(quoted(key))", found: "\(wide)")
            }
            return value
        }
    }

    /// Arrays of arrays are allowed by the specification and written by nobody; refusing them keeps this flat.
    private mutating func array(of key: [UInt8]) throws(CheckpointError) -> GGUFValue {
        let type = try valueType(of: key)
        guard type != .array else {
            throw reader.failure(expected: "an array of values for \(quoted(key))", found: "an array of arrays")
        }
        let what = "elements of \(quoted(key))"
        let count = try count(
            limit: CheckpointLimits.arrayCount, of: what, minimumByteCount: type.minimumByteCount)
        switch type {
        case .string:
            let limit = CheckpointLimits.stringByteCount
            return .strings(
                try elements(count) { (parser) throws(CheckpointError) in try parser.string(limit: limit, "a string") })
        case .bool:
            return .bools(try elements(count) { (parser) throws(CheckpointError) in try parser.bool(of: key) })
        case .float32, .float64:
            return .floats(try elements(count) { (parser) throws(CheckpointError) in Float(try parser.float(type)) })
        default:
            return .integers(
                try elements(count) { (parser) throws(CheckpointError) in try parser.integer(type, of: key) })
        }
    }

    private mutating func elements<Element>(
        _ count: Int, _ next: (inout GGUFParser) throws(CheckpointError) -> Element
    ) throws(CheckpointError) -> [Element] {
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for _ in 0..<count { elements.append(try next(&self)) }
        return elements
    }
}
