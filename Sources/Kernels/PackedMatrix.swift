import CKernels
package import InferenceTypes

/// How rows of activations lie for the kernels: what a packed matrix reads.
package enum RowKind: Sendable, CaseIterable {
    case float32
    case bfloat16
    /// Blocks of 32 signed bytes with a scale.
    case quantized8

    var raw: nt_row_kind {
        switch self {
        case .float32: NT_ROWS_F32
        case .bfloat16: NT_ROWS_BF16
        case .quantized8: NT_ROWS_Q8
        }
    }

    init(_ raw: nt_row_kind) {
        switch raw {
        case NT_ROWS_BF16: self = .bfloat16
        case NT_ROWS_Q8: self = .quantized8
        default: self = .float32
        }
    }

    /// Bytes of a row.
    package func rowByteCount(columnCount: Int) -> Int { nt_row_bytes(raw, Int64(columnCount)) }
}

/// Weights in panels made for the unit that computes them. Does not own the memory.
///
/// - Shapes: rows are outputs, columns inputs.
package struct PackedMatrix {
    package let elementType: ElementType
    package let rowCount: Int
    package let columnCount: Int
    /// As the C kernels take it.
    let view: nt_packed

    /// - Requires: `memory` holds the matrix as `Workers.pack` packs it, and outlives this value.
    package init(_ memory: UnsafeRawPointer, elementType: ElementType, rowCount: Int, columnCount: Int) {
        self.elementType = elementType
        self.rowCount = rowCount
        self.columnCount = columnCount
        view = nt_packed(
            panels: memory, type: elementType.rawValue, rows: Int64(rowCount), columns: Int64(columnCount),
            panel_bytes: nt_packed_panel_bytes(elementType.rawValue, Int64(columnCount)))
    }

    /// Number of how panels lie, the same for all instruction sets and threads: whoever keeps them keeps it beside them.
    package static let layout = UInt32(NT_PACKED_LAYOUT)

    /// What its products read.
    package var inputKind: RowKind { Self.inputKind(elementType) }

    package static func inputKind(_ elementType: ElementType) -> RowKind {
        RowKind(nt_packed_input(elementType.rawValue))
    }

    /// Bytes of the panels of a matrix; about those of its blocks.
    package static func byteCount(_ elementType: ElementType, rowCount: Int, columnCount: Int) -> Int {
        (rowCount + 31) / 32 * nt_packed_panel_bytes(elementType.rawValue, Int64(columnCount))
    }
}

/// Rows of activations in memory that somebody else owns.
package struct ActivationRows {
    package let kind: RowKind
    package let rowCount: Int
    package let columnCount: Int
    let view: nt_rows

    /// - Requires: 64-byte aligned memory of `rowCount` rows.
    package init(_ base: UnsafeMutableRawPointer, kind: RowKind, rowCount: Int, columnCount: Int) {
        self.kind = kind
        self.rowCount = rowCount
        self.columnCount = columnCount
        view = nt_rows(
            data: base, kind: kind.raw, columns: Int64(columnCount),
            row_bytes: kind.rowByteCount(columnCount: columnCount))
    }

    /// The first `count` rows, where they are floats.
    ///
    /// - Requires: their kind is `float32`.
    package func floatRows(_ count: Int) -> FloatRows {
        precondition(kind == .float32 && count <= rowCount)
        return FloatRows(
            view.data.assumingMemoryBound(to: Float.self), rowCount: count, columnCount: columnCount)
    }
}

extension Workers {
    /// Packs a matrix, all threads together.
    ///
    /// - Requires: `memory` has `PackedMatrix.byteCount` bytes, is 64-byte aligned, and outlives what is returned.
    package func pack(_ matrix: Matrix, into memory: UnsafeMutableRawPointer) -> PackedMatrix {
        var source = matrix.view
        nt_pack(handle, &source, memory)
        return PackedMatrix(
            memory, elementType: matrix.elementType, rowCount: matrix.rowCount, columnCount: matrix.columnCount)
    }

    /// `output[i] = table[ids[i]]` as floats: an embedding that is the head, too.
    ///
    /// - Requires: every id is a row of `table`.
    package func gather(_ table: PackedMatrix, rows ids: UnsafeBufferPointer<Int32>, into output: FloatRows) {
        requireRows(ids, of: table.rowCount, table.columnCount, output)
        guard let base = ids.baseAddress else { return }
        var view = table.view
        nt_gather_packed(handle, &view, base, Int64(ids.count), output.base)
    }
}
