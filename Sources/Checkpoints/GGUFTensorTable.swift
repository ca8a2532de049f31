import InferenceTypes

/// A tensor as the table tells of it, before its bytes are found.
private struct TensorEntry {
    var name: String
    var elementType: ElementType
    var shape: [Int]
    var byteCount: Int
    /// From the start of the data section.
    var offset: Int
}

extension GGUFParser {
    /// Reads the table and finds each tensor's bytes: aligned, inside the file, no two on the same.
    mutating func tensorTable(count: Int) throws(CheckpointError) -> [TensorView] {
        let alignment = try alignment()
        var entries: [TensorEntry] = []
        var seen: Set<[UInt8]> = []
        entries.reserveCapacity(count)
        for _ in 0..<count {
            let entry = try entry(alignment: alignment)
            guard seen.insert(Array(entry.name.utf8)).inserted else {
                throw reader.failure(expected: "each tensor name once", found: "\(quoted(entry.name)) again")
            }
            entries.append(entry)
        }
        // Cannot overflow: the offset lies inside the file and the alignment is small.
        let start = (reader.offset + alignment - 1) / alignment * alignment
        return try place(entries, dataStart: start)
    }

    private func alignment() throws(CheckpointError) -> Int {
        guard let value = values[Array("general.alignment".utf8)] else { return 32 }
        guard let number = value.asInteger, let alignment = Int(exactly: number),
            CheckpointLimits.alignment.contains(alignment), alignment.nonzeroBitCount == 1
        else {
            throw CheckpointError(
                file: mapping.fileName, section: "keys",
                expected: "general.alignment a power of two in \(CheckpointLimits.alignment)",
                found: value.asInteger.map { "\($0)" } ?? "no integer")
        }
        return alignment
    }

    private mutating func entry(alignment: Int) throws(CheckpointError) -> TensorEntry {
        let name = try tensorName()
        let shape = try shape(of: name)
        let type = try elementType(of: name)
        guard let columns = shape.last, columns % type.blockElementCount == 0 else {
            throw reader.failure(
                expected: "rows of \(quoted(name)) in blocks of \(type.blockElementCount) (\(type.name))",
                found: "shape \(shape)")
        }
        var elementCount = 1
        for dimension in shape {
            let (product, overflow) = elementCount.multipliedReportingOverflow(by: dimension)
            guard !overflow else {
                throw reader.failure(expected: "a size below 2^63 for \(quoted(name))", found: "shape \(shape)")
            }
            elementCount = product
        }
        guard let byteCount = type.byteCount(elementCount: elementCount) else {
            throw reader.failure(expected: "a size below 2^63 for \(quoted(name))", found: "shape \(shape)")
        }
        let offset = try reader.count(limit: Int.max, "the offset of \(quoted(name))")
        guard offset % alignment == 0 else {
            throw reader.failure(
                expected: "an offset of \(quoted(name)) that is a multiple of \(alignment)", found: "\(offset)")
        }
        return TensorEntry(name: name, elementType: type, shape: shape, byteCount: byteCount, offset: offset)
    }

    private mutating func tensorName() throws(CheckpointError) -> String {
        let start = reader.offset
        let count = try reader.count(limit: CheckpointLimits.tensorNameByteCount, "a tensor name's length")
        let bytes = try reader.take(count, "a tensor name")
        guard !bytes.isEmpty, [UInt8](bytes).isValidUTF8 else {
            throw reader.failure(
                expected: "a tensor name in UTF-8 at byte \(start)", found: bytes.isEmpty ? "none" : quoted(bytes))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The file's order is innermost first.
    private mutating func shape(of name: String) throws(CheckpointError) -> [Int] {
        let count = try reader.integer(UInt32.self, "a dimension count")
        guard 1...UInt32(CheckpointLimits.dimensionCount) ~= count else {
            throw reader.failure(
                expected: "1 to \(CheckpointLimits.dimensionCount) dimensions of \(quoted(name))", found: "\(count)")
        }
        var shape: [Int] = []
        for _ in 0..<count {
            let dimension = try reader.count(limit: Int.max, "a dimension of \(quoted(name))")
            guard dimension > 0 else {
                throw reader.failure(expected: "a dimension of \(quoted(name)) above 0", found: "0")
            }
            shape.append(dimension)
        }
        return shape.reversed()
    }

    private mutating func elementType(of name: String) throws(CheckpointError) -> ElementType {
        let number = try reader.integer(UInt32.self, "an element type")
        guard let type = ElementType(rawValue: number) else {
            let supported = ElementType.allCases.map(\.name).joined(separator: ", ")
            throw reader.failure(
                expected: "an element type of \(quoted(name)) among \(supported)",
                found: ggmlTypeNames[number] ?? "type \(number)")
        }
        return type
    }

    private func place(_ entries: [TensorEntry], dataStart: Int) throws(CheckpointError) -> [TensorView] {
        let available = max(0, mapping.bytes.count - dataStart)
        for entry in entries {
            guard entry.byteCount <= available, entry.offset <= available - entry.byteCount else {
                throw CheckpointError(
                    file: mapping.fileName, section: "tensor data",
                    expected: "\(entry.byteCount) bytes of \(quoted(entry.name)) at offset \(entry.offset)",
                    found: "\(available) bytes in all")
            }
        }
        let ordered = entries.sorted { $0.offset < $1.offset }
        for (entry, next) in zip(ordered, ordered.dropFirst()) where entry.offset + entry.byteCount > next.offset {
            throw CheckpointError(
                file: mapping.fileName, section: "tensor table", expected: "tensors that do not overlap",
                found: "\(quoted(entry.name)) and \(quoted(next.name)) on the same bytes")
        }
        return entries.map { entry in
            let start = dataStart + entry.offset
            return TensorView(
                name: entry.name, elementType: entry.elementType, shape: entry.shape, mapping: mapping,
                range: start..<start + entry.byteCount)
        }
    }
}

/// Types of the format that we do not read, so that a message can name them.
///
/// - Source: GGUF specification, `ggml_type`.
private let ggmlTypeNames: [UInt32: String] = [
    10: "Q2_K", 11: "Q3_K", 9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
    20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
    29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
]
