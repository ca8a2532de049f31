import InferenceTypes

/// One safetensors file: its tensors, and the names of those whose elements we cannot read.
///
/// - Source: safetensors format (huggingface/safetensors, `README.md`); with it: the header starts with `{`, names are
///   unique, tensors leave no hole, do not overlap and end where the file ends.
struct SafetensorsFile {
    private(set) var tensors: [TensorView] = []
    /// Name and element type, as the file spells it.
    private(set) var unsupported: [(name: [UInt8], elementType: String)] = []
    var source: SourceFile { mapping.source }
    private let mapping: FileMapping
    private let dataStart: Int

    init(_ mapping: FileMapping) throws(CheckpointError) {
        self.mapping = mapping
        var reader = ByteReader(mapping.bytes, fileName: mapping.fileName, section: "header")
        let count = try reader.count(limit: CheckpointLimits.headerByteCount, "the header's length")
        let header = try reader.take(count, "the header")
        dataStart = reader.offset
        guard header.first == UInt8(ascii: "{") else {
            throw reader.failure(expected: "a header that starts with '{'", found: quoted(header.prefix(8)))
        }
        var limits = JSONParser.Limits.modelFile
        limits.members = CheckpointLimits.tensorCount
        let document = try parseJSON(Array(header), file: mapping.fileName, section: "header", limits: limits)
        guard let members = document.asObject else {
            throw reader.failure(expected: "an object", found: "another value")
        }
        var extents: [Extent] = []
        for member in members {
            if member.key.elementsEqual("__metadata__".utf8) {
                try checkMetadata(member.value)
            } else {
                extents.append(try entry(member))
            }
        }
        try checkContiguous(extents)
    }

    private struct Extent {
        var name: [UInt8]
        var range: Range<Int>
    }

    private func failure(_ section: String = "tensor table", expected: String, found: String) -> CheckpointError {
        CheckpointError(file: mapping.fileName, section: section, expected: expected, found: found)
    }

    private func checkMetadata(_ value: JSONValue) throws(CheckpointError) {
        guard let members = value.asObject, members.allSatisfy({ $0.value.asBytes != nil }) else {
            throw failure("header", expected: "__metadata__ to be an object of strings", found: "another value")
        }
    }

    /// Takes one tensor in, and says where in the data it lies.
    private mutating func entry(_ member: JSONMember) throws(CheckpointError) -> Extent {
        let name = quoted(member.key)
        guard let typeName = member.value["dtype"]?.asBytes, let elementByteCount = elementByteCounts[typeName] else {
            let found = member.value["dtype"]?.asBytes.map(quoted) ?? "none"
            throw failure(expected: "a dtype of \(name) that the format knows in whole bytes", found: found)
        }
        let shape = try shape(of: name, member.value["shape"])
        let range = try range(of: name, member.value["data_offsets"])
        var byteCount = elementByteCount
        for dimension in shape {
            let (product, overflow) = byteCount.multipliedReportingOverflow(by: dimension)
            guard !overflow else { throw failure(expected: "a size of \(name) below 2^63", found: "shape \(shape)") }
            byteCount = product
        }
        guard byteCount == range.count else {
            throw failure(expected: "\(byteCount) bytes of \(name), shape \(shape)", found: "\(range.count)")
        }
        if let type = readableTypes[typeName] {
            tensors.append(
                TensorView(
                    name: String(decoding: member.key, as: UTF8.self), elementType: type, shape: shape,
                    mapping: mapping, range: dataStart + range.lowerBound..<dataStart + range.upperBound))
        } else {
            unsupported.append((member.key, String(decoding: typeName, as: UTF8.self)))
        }
        return Extent(name: member.key, range: range)
    }

    private func shape(of name: String, _ value: JSONValue?) throws(CheckpointError) -> [Int] {
        guard let items = value?.asArray else {
            throw failure(expected: "a shape of \(name)", found: value == nil ? "none" : "no array")
        }
        guard items.count <= CheckpointLimits.safetensorsDimensionCount else {
            throw failure(
                expected: "at most \(CheckpointLimits.safetensorsDimensionCount) dimensions of \(name)",
                found: "\(items.count)")
        }
        return try items.map { (item) throws(CheckpointError) in
            guard let number = item.asInteger, let dimension = Int(exactly: number), dimension >= 0 else {
                throw failure(expected: "dimensions of \(name) that are whole numbers from 0", found: "another value")
            }
            return dimension
        }
    }

    private func range(of name: String, _ value: JSONValue?) throws(CheckpointError) -> Range<Int> {
        let available = mapping.bytes.count - dataStart
        guard let items = value?.asArray, items.count == 2, let first = items[0].asInteger,
            let last = items[1].asInteger, let start = Int(exactly: first), let end = Int(exactly: last)
        else { throw failure(expected: "data_offsets of \(name) to be two whole numbers", found: "another value") }
        guard 0 <= start, start <= end, end <= available else {
            throw failure(expected: "data_offsets of \(name) in 0...\(available)", found: "[\(start), \(end)]")
        }
        return start..<end
    }

    private func checkContiguous(_ extents: [Extent]) throws(CheckpointError) {
        var end = 0
        for extent in extents.sorted(by: {
            ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
        }) {
            guard extent.range.lowerBound == end else {
                throw failure(
                    expected: "\(quoted(extent.name)) to start where the tensor before it ends, \(end)",
                    found: "\(extent.range.lowerBound)")
            }
            end = extent.range.upperBound
        }
        guard end == mapping.bytes.count - dataStart else {
            throw failure(
                "tensor data", expected: "\(end) bytes after the header", found: "\(mapping.bytes.count - dataStart)")
        }
    }
}

/// - Source: safetensors `Dtype`; types of less than a byte are left out, no weight that we read comes with one.
private let elementByteCounts: [[UInt8]: Int] = [
    Array("BOOL".utf8): 1, Array("U8".utf8): 1, Array("I8".utf8): 1, Array("F8_E5M2".utf8): 1,
    Array("F8_E4M3".utf8): 1, Array("F8_E8M0".utf8): 1, Array("I16".utf8): 2, Array("U16".utf8): 2,
    Array("F16".utf8): 2, Array("BF16".utf8): 2, Array("I32".utf8): 4, Array("U32".utf8): 4, Array("F32".utf8): 4,
    Array("I64".utf8): 8, Array("U64".utf8): 8, Array("F64".utf8): 8, Array("C64".utf8): 8,
]

private let readableTypes: [[UInt8]: ElementType] = [
    Array("F32".utf8): .f32, Array("F16".utf8): .f16, Array("BF16".utf8): .bf16,
]
