import CKernels

/// How keys and values are kept.
// The cases are spelt as the field spells them.
// swift-format-ignore: AlwaysUseLowerCamelCase
package enum CacheType: String, Sendable, CaseIterable {
    /// Exact.
    case f32
    /// Half the bytes; rounded to nearest even.
    case bf16
    /// A quarter of the bytes and a little: a scale for each 32 elements of a key, and for each value.
    case q8_0

    /// As the C kernels take it: a `ggml_type`.
    package var raw: UInt32 {
        switch self {
        case .f32: UInt32(NT_F32)
        case .bf16: UInt32(NT_BF16)
        case .q8_0: UInt32(NT_Q8_0)
        }
    }

    /// Bytes of one block, K and V of all heads of a layer; nil where the type cannot have such blocks.
    ///
    /// - Parameter blockSize: tokens; but for `f32` a multiple of 16.
    package func blockByteCount(blockSize: Int, keyValueHeadCount: Int, headDimension: Int) -> Int? {
        let count = nt_kv_block_bytes(raw, Int64(blockSize), Int64(keyValueHeadCount), Int64(headDimension))
        return count > 0 ? Int(count) : nil
    }
}

/// One layer's keys and values.
///
/// - Shapes: `storage` is `[blocks]` of `CacheType.blockByteCount` bytes.
package struct KeyValueLayer {
    let view: nt_kv_layer
    let partials: UnsafeMutableBufferPointer<Float>

    /// - Parameters:
    ///   - storage: aligned to 64 bytes.
    ///   - partials: memory that attention may use to cut a long context for several threads; see
    ///     `Workers.attentionPartials`. One for all layers will do.
    /// - Requires: the type can have blocks of this size.
    package init(
        _ storage: UnsafeMutableRawPointer, type: CacheType, blockSize: Int, keyValueHeadCount: Int, headDimension: Int,
        partials: UnsafeMutableBufferPointer<Float> = .init(start: nil, count: 0)
    ) {
        precondition(Int(bitPattern: storage) % 64 == 0, "a cache that is not aligned to 64 bytes")
        let byteCount = type.blockByteCount(
            blockSize: blockSize, keyValueHeadCount: keyValueHeadCount, headDimension: headDimension)
        precondition(byteCount != nil, "a \(type.rawValue) cache with blocks of \(blockSize) tokens")
        view = nt_kv_layer(
            storage: storage, type: type.raw, block_size: Int64(blockSize), kv_head_count: Int64(keyValueHeadCount),
            head_dimension: Int64(headDimension))
        self.partials = partials
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
    /// Floats of scratch that each thread needs for `attention`. Only `f32` needs more for a longer context.
    package static func attentionScratch(
        contextCount: Int, headsPerKeyValueHead: Int, headDimension: Int, type: CacheType
    ) -> Int {
        nt_attention_scratch(type.raw, Int64(headDimension), Int64(headsPerKeyValueHead), Int64(contextCount))
    }

    /// Floats with which `tokenCount` tokens of up to `contextCount` positions can be cut for several threads.
    package static func attentionPartials(
        tokenCount: Int, queryHeadCount: Int, headDimension: Int, contextCount: Int
    ) -> Int {
        nt_attention_partials(Int64(tokenCount), Int64(queryHeadCount), Int64(headDimension), Int64(contextCount))
    }

    /// Writes each token's K and V to its slot.
    ///
    /// - Shapes: `keys` and `values` `[M, KV heads × head dimension]`; `slots [M]`, negative where nothing is to be
    ///   written.
    /// - Requires: no two tokens have the same slot.
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
            block_table_starts: places.blockTableStarts, partials: layer.partials.baseAddress,
            partial_count: layer.partials.count)
        var view = layer.view
        nt_attention(handle, &view, &plan)
    }
}
