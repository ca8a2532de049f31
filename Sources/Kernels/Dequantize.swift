import CKernels
package import InferenceTypes

/// Blocks to floats, one at a time: for what is read once, at load, and the reference of the kernels' own.
///
/// - Requires: `bytes` holds exactly `output.count` elements, whole blocks.
package func dequantize(
    _ elementType: ElementType, _ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableBufferPointer<Float>
) {
    precondition(elementType.byteCount(elementCount: output.count) == bytes.count)
    guard let source = bytes.baseAddress, let target = output.baseAddress else { return }
    nt_reference_dequantize(elementType.rawValue, source, target, Int64(output.count))
}
