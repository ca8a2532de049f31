package import InferenceTypes

/// A value as it is to be written: unlike `GGUFValue`, with the width that readers of the format ask for.
package enum GGUFTypedValue: Sendable, Equatable {
    case uint32(UInt32)
    case float32(Float)
    case bool(Bool)
    case string([UInt8])
    case strings([[UInt8]])
    case floats([Float])
    case int32s([Int32])
    case uint8s([UInt8])
}

/// A key and its value, the value as its bytes lie in a file, type first.
package struct GGUFEntry: Sendable, Equatable {
    package let key: [UInt8]
    package let encodedValue: [UInt8]

    /// A pair as another file has it.
    package init(key: [UInt8], encodedValue: [UInt8]) {
        self.key = key
        self.encodedValue = encodedValue
    }

    package init(_ key: String, _ value: GGUFTypedValue) {
        var encoder = GGUFEncoder()
        encoder.append(value)
        self.init(key: Array(key.utf8), encodedValue: encoder.bytes)
    }

    /// Whether this is the value of a key of this name.
    package func hasKey(_ name: String) -> Bool { key.elementsEqual(name.utf8) }
}

/// A tensor as it is to be written.
///
/// - Shapes: outermost dimension first.
package struct GGUFTensorEntry: Sendable, Equatable {
    package let name: String
    package let elementType: ElementType
    package let shape: [Int]
    package let byteCount: Int

    /// Nil when a row is not whole blocks, the size is past 63 bits, or name or shape are none that the format takes.
    package init?(name: String, elementType: ElementType, shape: [Int]) {
        guard 1...CheckpointLimits.tensorNameByteCount ~= name.utf8.count, let columns = shape.last,
            shape.count <= CheckpointLimits.dimensionCount, shape.allSatisfy({ $0 > 0 }),
            columns % elementType.blockElementCount == 0
        else { return nil }
        var count = 1
        for dimension in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            guard !overflow else { return nil }
            count = product
        }
        guard let byteCount = elementType.byteCount(elementCount: count) else { return nil }
        self.name = name
        self.elementType = elementType
        self.shape = shape
        self.byteCount = byteCount
    }
}

/// Little-endian bytes of a GGUF file's header.
///
/// - Source: GGUF specification, version 3; type numbers of `gguf_metadata_value_type`.
struct GGUFEncoder {
    private(set) var bytes: [UInt8] = []

    static let alignment = 32

    /// Everything before the tensors' bytes, padded.
    static func header(_ entries: [GGUFEntry], _ tensors: [GGUFTensorEntry]) -> [UInt8] {
        var encoder = GGUFEncoder()
        encoder.bytes += Array("GGUF".utf8)
        encoder.append(UInt32(3))
        encoder.append(UInt64(tensors.count))
        encoder.append(UInt64(entries.count))
        for entry in entries {
            encoder.append(entry.key)
            encoder.bytes += entry.encodedValue
        }
        var offset = 0
        for tensor in tensors {
            encoder.append(tensor, offset: offset)
            offset += padded(tensor.byteCount)
        }
        encoder.bytes += [UInt8](repeating: 0, count: padded(encoder.bytes.count) - encoder.bytes.count)
        return encoder.bytes
    }

    /// The next multiple of the alignment.
    static func padded(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }

    mutating func append(_ integer: some FixedWidthInteger) {
        withUnsafeBytes(of: integer.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func append(_ string: [UInt8]) {
        append(UInt64(string.count))
        bytes += string
    }

    private mutating func append(_ tensor: GGUFTensorEntry, offset: Int) {
        append(Array(tensor.name.utf8))
        append(UInt32(tensor.shape.count))
        for dimension in tensor.shape.reversed() { append(UInt64(dimension)) }
        append(tensor.elementType.rawValue)
        append(UInt64(offset))
    }

    /// The type's number, then the value.
    mutating func append(_ value: GGUFTypedValue) {
        switch value {
        case .uint32(let number):
            append(UInt32(4))
            append(number)
        case .float32(let number):
            append(UInt32(6))
            append(number.bitPattern)
        case .bool(let flag):
            append(UInt32(7))
            append(UInt8(flag ? 1 : 0))
        case .string(let text):
            append(UInt32(8))
            append(text)
        case .strings(let texts):
            array(of: 8, count: texts.count)
            for text in texts { append(text) }
        case .floats(let numbers):
            array(of: 6, count: numbers.count)
            for number in numbers { append(number.bitPattern) }
        case .int32s(let numbers):
            array(of: 5, count: numbers.count)
            for number in numbers { append(number) }
        case .uint8s(let numbers):
            array(of: 0, count: numbers.count)
            bytes += numbers
        }
    }

    private mutating func array(of type: UInt32, count: Int) {
        append(UInt32(9))
        append(type)
        append(UInt64(count))
    }
}
