import CKernels
import InferenceTypes

package enum ActivationKind {
    case silu, geluTanh, geluErf

    var raw: nt_activation {
        switch self {
        case .silu: NT_SILU
        case .geluTanh: NT_GELU_TANH
        case .geluErf: NT_GELU_ERF
        }
    }
}

package enum RotaryLayout {
    case halfSplit, interleaved

    var raw: nt_rotary_layout { self == .halfSplit ? NT_HALF_SPLIT : NT_INTERLEAVED }
}

extension Workers {
    /// `output[i] = table[ids[i]]` as floats: an embedding.
    ///
    /// - Requires: every id is a row of `table`.
    package func gather(_ table: Matrix, rows ids: UnsafeBufferPointer<Int32>, into output: FloatRows) {
        requireRows(ids, of: table.rowCount, table.columnCount, output)
        guard let base = ids.baseAddress else { return }
        var view = table.view
        nt_gather_rows(handle, &view, base, Int64(ids.count), output.base)
    }

    func requireRows(
        _ ids: UnsafeBufferPointer<Int32>, of rowCount: Int, _ columnCount: Int, _ output: FloatRows
    ) {
        precondition(output.rowCount == ids.count && output.columnCount == columnCount)
        precondition(output.stride == output.columnCount)
        precondition(ids.allSatisfy { $0 >= 0 && $0 < rowCount }, "an id outside its table")
    }

    /// Root mean square norm of each row.
    ///
    /// - Shapes: `input [M, K]`, `weight [K]`, `output [M, K]`, which may be `input`.
    package func rmsNorm(_ input: FloatRows, weight: UnsafePointer<Float>, epsilon: Float, into output: FloatRows) {
        precondition(input.rowCount == output.rowCount && input.columnCount == output.columnCount)
        nt_rms_norm(
            handle, input.base, Int64(input.rowCount), Int64(input.stride), Int64(input.columnCount), weight, epsilon,
            output.base, Int64(output.stride))
    }

    /// Layer norm of each row.
    ///
    /// - Shapes: `input [M, K]` contiguous, `weight [K]`, `bias [K]`, `output [M, K]` contiguous, not `input`.
    package func layerNorm(
        _ input: FloatRows, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, epsilon: Float,
        into output: FloatRows
    ) {
        precondition(input.rowCount == output.rowCount && input.columnCount == output.columnCount)
        precondition(input.stride == input.columnCount && output.stride == output.columnCount)
        precondition(input.base != output.base)
        nt_layer_norm(
            handle, input.base, Int64(input.rowCount), Int64(input.columnCount), weight, bias, epsilon, output.base)
    }

    /// Turns each head of each row by the row's angles, in place.
    ///
    /// - Shapes: `rows [M, heads × headDimension]`, `cosines` and `sines` `[M, rotaryDimension / 2]`.
    package func rotary(
        _ rows: FloatRows, headDimension: Int, rotaryDimension: Int, cosines: UnsafePointer<Float>,
        sines: UnsafePointer<Float>, layout: RotaryLayout
    ) {
        precondition(rows.columnCount % headDimension == 0 && rotaryDimension <= headDimension)
        precondition(rotaryDimension % 2 == 0)
        nt_rotary(
            handle, rows.base, Int64(rows.rowCount), Int64(rows.stride), Int64(rows.columnCount / headDimension),
            Int64(headDimension), Int64(rotaryDimension), cosines, sines, layout.raw)
    }

    /// `gate = activation(gate) · up`, or `activation(gate)` without `up`.
    ///
    /// - Shapes: both `[M, K]` contiguous.
    package func activate(_ kind: ActivationKind, gate: FloatRows, up: FloatRows?) {
        precondition(gate.stride == gate.columnCount)
        if let up {
            precondition(up.rowCount == gate.rowCount && up.columnCount == gate.columnCount && up.stride == gate.stride)
        }
        nt_activate(handle, kind.raw, gate.base, up?.base, Int64(gate.rowCount * gate.columnCount))
    }

    /// The highest of each run of `peakRunCount` values of a row; +∞ where the run holds NaN or +∞.
    ///
    /// - Shapes: `rows [M, K]` contiguous, `peaks [M, ⌈K / peakRunCount⌉]` contiguous.
    package func peaks(of rows: FloatRows, into peaks: FloatRows) {
        precondition(rows.stride == rows.columnCount && peaks.stride == peaks.columnCount)
        precondition(peaks.rowCount == rows.rowCount && peaks.columnCount == Self.peakCount(rows.columnCount))
        nt_peaks(handle, rows.base, Int64(rows.rowCount), Int64(rows.columnCount), peaks.base)
    }

    package static let peakRunCount = Int(NT_PEAK_RUN)

    package static func peakCount(_ columnCount: Int) -> Int { (columnCount + peakRunCount - 1) / peakRunCount }
}
