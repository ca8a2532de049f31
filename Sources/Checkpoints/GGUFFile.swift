/// A GGUF file, version 2 or 3, little-endian: keys and tensors by name. A file may hold a vocabulary and no tensor.
///
/// - Source: GGUF specification (ggml, `docs/gguf.md`).
package struct GGUFFile: WeightSource {
    package let version: Int
    package let metadata: GGUFMetadata
    package let fileName: String
    private let tensors: TensorTable
    private let mapping: FileMapping
    private let valueRanges: [(key: [UInt8], range: Range<Int>)]

    /// Parses header, keys and tensor table; looks at no tensor byte.
    ///
    /// - Throws: on anything that is not as the specification says, and past `CheckpointLimits`.
    package init(_ mapping: FileMapping) throws(CheckpointError) {
        var parser = GGUFParser(mapping)
        try parser.parse()
        version = parser.version
        metadata = GGUFMetadata(parser.values)
        tensors = TensorTable(parser.tensors)
        fileName = mapping.fileName
        self.mapping = mapping
        valueRanges = parser.valueRanges
    }

    /// Opens and parses the regular file at `path`.
    package init(path: String) throws(CheckpointError) {
        try self.init(FileMapping(path: path))
    }

    /// All keys with their values as they lie here, in the order of the file.
    package var entries: [GGUFEntry] {
        valueRanges.map { GGUFEntry(key: $0.key, encodedValue: Array(mapping.bytes[$0.range])) }
    }

    /// Names of all tensors in the order of their bytes.
    package var storedTensorNames: [String] { tensors.stored.map(\.name) }

    package func tensor(_ name: String) -> TensorView? { tensors[name] }
    package func unsupportedElementType(_ name: String) -> String? { nil }
    package var tensorNames: [String] { tensors.names }
    package var totalByteCount: Int { tensors.totalByteCount }
}

/// Tensors by the bytes of their names: Swift would merge names that are canonically equivalent.
struct TensorTable: Sendable {
    private var views: [[UInt8]: TensorView] = [:]
    private(set) var totalByteCount = 0

    init(_ tensors: [TensorView]) {
        views.reserveCapacity(tensors.count)
        for tensor in tensors { insert(tensor) }
    }

    subscript(_ name: String) -> TensorView? { views[Array(name.utf8)] }

    /// Whether the name was new; an older tensor of the same name stays.
    @discardableResult
    mutating func insert(_ tensor: TensorView) -> Bool {
        let key = Array(tensor.name.utf8)
        guard views[key] == nil else { return false }
        views[key] = tensor
        totalByteCount += tensor.byteCount
        return true
    }

    /// In the order of their bytes, for a single file.
    var stored: [TensorView] { views.values.sorted { $0.offset < $1.offset } }

    var names: [String] {
        views.keys.sorted { $0.lexicographicallyPrecedes($1) }.map { String(decoding: $0, as: UTF8.self) }
    }
}
