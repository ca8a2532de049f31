package import InferenceTypes

/// A named tensor as it lies in a file. Holds the file's mapping.
///
/// - Shapes: row-major, outermost dimension first, innermost last, whatever the format's own order.
package struct TensorView: Sendable {
    package let name: String
    package let elementType: ElementType
    package let shape: [Int]
    private let mapping: FileMapping
    private let range: Range<Int>

    /// - Requires: `range` lies inside the mapping and holds exactly the elements of `shape`.
    package init(name: String, elementType: ElementType, shape: [Int], mapping: FileMapping, range: Range<Int>) {
        precondition(0 <= range.lowerBound && range.upperBound <= mapping.bytes.count)
        self.name = name
        self.elementType = elementType
        self.shape = shape
        self.mapping = mapping
        self.range = range
    }

    /// The elements, valid while this view (or another of the same file) lives. Safetensors aligns nothing: the
    /// address may be odd, so readers load unaligned.
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: mapping.bytes[range]) }

    /// Calls `body` with the elements; the mapping cannot go away meanwhile.
    package func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try withExtendedLifetime(mapping) { try body(bytes) }
    }

    /// Lets the system take the memory of the elements back, after they were copied: whoever looks again reads the file.
    package func forgetPages() { mapping.forget(range) }

    /// Where the elements begin in their file.
    var offset: Int { range.lowerBound }
    package var byteCount: Int { range.count }
    package var elementCount: Int { shape.reduce(1, *) }
    /// Length of the innermost dimension.
    package var columnCount: Int { shape.last ?? 1 }
    /// Product of all dimensions but the innermost: 1 for a vector.
    package var rowCount: Int { shape.dropLast().reduce(1, *) }
    /// Bytes of one row: rows are whole blocks.
    package var rowByteCount: Int { rowCount == 0 ? 0 : byteCount / rowCount }
}

/// Named tensors, from one file or several. The one protocol here, because GGUF and safetensors are two real formats.
package protocol WeightSource: Sendable {
    /// The tensor of this name; names are compared as bytes.
    func tensor(_ name: String) -> TensorView?
    /// What the file says about a tensor that it holds but whose elements we cannot read, nil when there is none.
    func unsupportedElementType(_ name: String) -> String?
    /// Ascending in bytes.
    var tensorNames: [String] { get }
    /// Bytes of all tensors.
    var totalByteCount: Int { get }
}
