package import InferenceTypes

/// A weight as the forward pass wants it: a tensor, how it lies, and which of its outputs are meant.
///
/// A matrix makes `outputCount` outputs from `inputCount` inputs; a vector (norm weight, bias) has `inputCount` 1 and
/// an element for each output; an embedding's rows are its outputs.
package struct WeightView: Sendable {
    package let tensor: TensorView
    package let layout: MatrixLayout
    /// Of the tensor's outputs; all of them unless query, key and value are fused.
    package let outputs: Range<Int>

    package init(tensor: TensorView, layout: MatrixLayout, outputs: Range<Int>) {
        self.tensor = tensor
        self.layout = layout
        self.outputs = outputs
    }

    package var elementType: ElementType { tensor.elementType }
    package var outputCount: Int { outputs.count }

    package var inputCount: Int {
        if tensor.shape.count < 2 { return 1 }
        return layout == .rowsAreOutputs ? tensor.columnCount : tensor.rowCount
    }

    /// The bytes of `outputs`, valid while this view lives.
    ///
    /// - Shapes: `[outputCount, inputCount]` for `rowsAreOutputs`, `[outputCount]` for a vector; for `transposed` the
    ///   whole tensor `[inputCount, tensor.columnCount]`, of which the columns `outputs` are meant.
    package var bytes: UnsafeRawBufferPointer {
        if layout == .transposed && tensor.shape.count > 1 { return tensor.bytes }
        let all = tensor.shape.count < 2 ? tensor.columnCount : tensor.rowCount
        guard all > 0 else { return UnsafeRawBufferPointer(rebasing: tensor.bytes[0..<0]) }
        let outputByteCount = tensor.byteCount / all
        let range = outputs.lowerBound * outputByteCount..<outputs.upperBound * outputByteCount
        return UnsafeRawBufferPointer(rebasing: tensor.bytes[range])
    }
}
