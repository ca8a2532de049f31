import CKernels
package import InferenceTypes

/// A matrix of weights where it lies: rows are outputs, columns inputs. Does not own the memory.
package struct Matrix {
    package let elementType: ElementType
    package let rowCount: Int
    package let columnCount: Int
    /// As the C kernels take it.
    let view: nt_matrix

    /// - Requires: `bytes` holds exactly `rowCount` rows of whole blocks, and outlives this value.
    package init(bytes: UnsafeRawBufferPointer, elementType: ElementType, rowCount: Int, columnCount: Int) {
        guard let base = bytes.baseAddress, let rowByteCount = elementType.byteCount(elementCount: columnCount),
            bytes.count == rowByteCount * rowCount
        else { preconditionFailure("a matrix whose bytes are not its rows") }
        self.elementType = elementType
        self.rowCount = rowCount
        self.columnCount = columnCount
        view = nt_matrix(
            data: base, type: elementType.rawValue, rows: Int64(rowCount), columns: Int64(columnCount),
            row_bytes: rowByteCount)
    }
}

/// Rows of floats in memory that somebody else owns.
///
/// - Shapes: `[rowCount, columnCount]`, `stride` floats from row to row.
package struct FloatRows {
    package let base: UnsafeMutablePointer<Float>
    package let rowCount: Int
    package let columnCount: Int
    package let stride: Int

    package init(_ base: UnsafeMutablePointer<Float>, rowCount: Int, columnCount: Int, stride: Int? = nil) {
        self.base = base
        self.rowCount = rowCount
        self.columnCount = columnCount
        self.stride = stride ?? columnCount
    }

    /// The first `count` rows.
    package func first(_ count: Int) -> FloatRows {
        precondition(count <= rowCount)
        return FloatRows(base, rowCount: count, columnCount: columnCount, stride: stride)
    }

    /// The same floats as more, shorter rows: heads of a projection.
    package func split(columnCount narrow: Int) -> FloatRows {
        precondition(stride == columnCount && columnCount % narrow == 0)
        return FloatRows(base, rowCount: rowCount * (columnCount / narrow), columnCount: narrow)
    }
}
