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
    /// `output[m, n] (+)= Σ_k input[m, k] · weight[n, k] + bias[n]`
    ///
    /// - Shapes: `input [M, K]` contiguous, `weight [N, K]`, `bias [N]`, `output [M, N]`.
    package func matmul(
        _ input: FloatRows, _ weight: Matrix, bias: UnsafePointer<Float>?, into output: FloatRows,
        store: StoreMode = .replace
    ) {
        precondition(input.columnCount == weight.columnCount && input.stride == input.columnCount)
        precondition(output.columnCount == weight.rowCount && output.rowCount == input.rowCount)
        requireScratch(Self.matmulScratch(columnCount: weight.columnCount))
        var view = weight.view
        nt_matmul(
            handle, &view, bias, input.base, Int64(input.rowCount), output.base, Int64(output.stride), store.raw)
    }

    /// `output[i] = table[ids[i]]` as floats: an embedding.
    ///
    /// - Requires: every id is a row of `table`.
    package func gather(_ table: Matrix, rows ids: UnsafeBufferPointer<Int32>, into output: FloatRows) {
        precondition(output.rowCount == ids.count && output.columnCount == table.columnCount)
        precondition(output.stride == output.columnCount)
        precondition(ids.allSatisfy { $0 >= 0 && $0 < table.rowCount }, "an id outside its table")
        guard let base = ids.baseAddress else { return }
        var view = table.view
        nt_gather_rows(handle, &view, base, Int64(ids.count), output.base)
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
}

/// One layer's keys and values.
///
/// - Shapes: `keys` and `values` `[blocks, KV heads, block size, head dimension]`.
package struct KeyValueLayer {
    let view: nt_kv_layer

    package init(
        keys: UnsafeMutablePointer<Float>, values: UnsafeMutablePointer<Float>, blockSize: Int, keyValueHeadCount: Int,
        headDimension: Int
    ) {
        view = nt_kv_layer(
            keys: keys, values: values, block_size: Int64(blockSize), kv_head_count: Int64(keyValueHeadCount),
            head_dimension: Int64(headDimension))
    }
}

/// Where the tokens of a step stand, for attention: the plan's arrays, and the row of each token.
package struct AttentionPlaces {
    package let positions: UnsafePointer<Int32>
    package let tokenRows: UnsafePointer<Int32>
    package let blockTables: UnsafePointer<Int32>
    package let blockTableStarts: UnsafePointer<Int32>

    package init(
        positions: UnsafePointer<Int32>, tokenRows: UnsafePointer<Int32>, blockTables: UnsafePointer<Int32>,
        blockTableStarts: UnsafePointer<Int32>
    ) {
        self.positions = positions
        self.tokenRows = tokenRows
        self.blockTables = blockTables
        self.blockTableStarts = blockTableStarts
    }
}

extension Workers {
    /// Writes each token's K and V to its slot.
    ///
    /// - Shapes: `keys` and `values` `[M, KV heads × head dimension]`, contiguous; `slots [M]`, negative where nothing is to be
    ///   written.
    package func writeKeyValues(_ layer: KeyValueLayer, keys: FloatRows, values: FloatRows, slots: UnsafePointer<Int32>)
    {
        precondition(keys.columnCount == Int(layer.view.kv_head_count * layer.view.head_dimension))
        precondition(keys.columnCount == values.columnCount && keys.rowCount == values.rowCount)
        precondition(keys.stride == values.stride)
        var view = layer.view
        nt_kv_write(handle, &view, keys.base, values.base, Int64(keys.stride), slots, Int64(keys.rowCount))
    }

    /// Attention of each token over the positions of its sequence up to its own.
    ///
    /// - Shapes: `queries` and `output` `[M, query heads × head dimension]`.
    /// - Parameter window: positions that a token sees, itself included; nil for all.
    /// - Requires: scratch for the longest context, every block of the tables inside the cache.
    package func attention(
        _ layer: KeyValueLayer, queries: FloatRows, at places: AttentionPlaces, window: Int?, into output: FloatRows
    ) {
        let dimension = Int(layer.view.head_dimension)
        precondition(queries.columnCount % (dimension * Int(layer.view.kv_head_count)) == 0)
        precondition(queries.columnCount == output.columnCount && queries.rowCount == output.rowCount)
        var plan = nt_attention_plan(
            queries: queries.base, q_stride: Int64(queries.stride), out: output.base, out_stride: Int64(output.stride),
            token_count: Int64(queries.rowCount), query_head_count: Int64(queries.columnCount / dimension),
            scale: 1 / Float(dimension).squareRoot(), window: Int64(window ?? 0), positions: places.positions,
            token_rows: places.tokenRows, block_tables: places.blockTables,
            block_table_starts: places.blockTableStarts)
        var view = layer.view
        nt_attention(handle, &view, &plan)
    }
}
