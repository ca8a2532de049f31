package import Checkpoints

/// The floats of a tensor, or of some of its rows, while they are in memory.
///
/// - Shapes: `[outputCount, inputCount]`, contiguous; a vector is one row.
package struct WeightMatrix {
    package let values: UnsafeMutableBufferPointer<Float>
    package let outputCount: Int
    package let inputCount: Int

    package func row(_ output: Int) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: values[output * inputCount..<(output + 1) * inputCount])
    }
}

/// Changes the floats of a matrix before they are written: pruning, for one.
///
/// Called for each tensor of two dimensions, with all its rows, in the order of the file, on one thread.
package typealias WeightTransform = (WeightMatrix, GGUFExport.Tensor) throws -> Void
