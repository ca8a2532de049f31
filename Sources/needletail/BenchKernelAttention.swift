import CKernels
import InferenceTypes

/// Attention over a paged cache in the order that random pages come in.
final class BenchAttention {
    private let shape: BenchAttentionShape
    private let workers: OpaquePointer
    private let storage: BenchMemory
    private let queries: BenchMemory
    private let output: BenchMemory
    private let partials: BenchMemory
    private let partialCount: Int
    private let type: ElementType
    private let contextCount: Int
    private var positions: [Int32] = []
    private var tokenRows: [Int32] = []
    private var tables: [Int32] = []
    private var starts: [Int32] = []
    private let copyCount: Int
    private let blockCount: Int
    private let blockByteCount: Int

    static let blockSize = 16

    /// - Parameters:
    ///   - rowCount: sequences that decode one token each.
    ///   - promptCount: tokens of one prompt instead, the last ones of the context.
    init(
        _ shape: BenchAttentionShape, type: ElementType, contextCount: Int, rowCount: Int, promptCount: Int?,
        workers: OpaquePointer, coldByteCount: Int
    ) throws(StartError) {
        (self.shape, self.type, self.contextCount) = (shape, type, contextCount)
        self.workers = workers
        blockByteCount = nt_kv_block_bytes(
            type.rawValue, Int64(Self.blockSize), Int64(shape.keyValueHeadCount), Int64(shape.headDimension))
        guard blockByteCount > 0 else { throw StartError("there is no KV cache of \(type.name) with this shape") }
        let perSequence = (contextCount + Self.blockSize - 1) / Self.blockSize
        blockCount = perSequence * rowCount
        copyCount = BenchMemory.copyCount(byteCount: blockCount * blockByteCount, coldByteCount: coldByteCount)
        storage = try BenchMemory(byteCount: blockCount * blockByteCount * copyCount)
        let tokenCount = promptCount ?? rowCount
        let floatCount = tokenCount * shape.headCount * shape.headDimension
        queries = try BenchMemory(byteCount: floatCount * 4)
        queries.fillFloats(floatCount)
        output = try BenchMemory(byteCount: floatCount * 4)
        partialCount = nt_attention_partials(
            Int64(tokenCount), Int64(shape.headCount), Int64(shape.headDimension), Int64(contextCount))
        partials = try BenchMemory(byteCount: partialCount * 4)
        positions = (0..<tokenCount).map {
            Int32(promptCount == nil ? contextCount - 1 : contextCount - tokenCount + $0)
        }
        tokenRows = (0..<tokenCount).map { Int32(promptCount == nil ? $0 : 0) }
        starts = (0...rowCount).map { Int32($0 * perSequence) }
        tables = Self.shuffled(blockCount)
        fill()
    }

    /// Block numbers in a random order, the same each time.
    private static func shuffled(_ count: Int) -> [Int32] {
        var numbers = (0..<count).map { Int32($0) }
        var state: UInt64 = 5
        for index in numbers.indices.dropFirst() {
            numbers.swapAt(index, Int(BenchMemory.next(&state) >> 33) % (index + 1))
        }
        return numbers
    }

    private func layer(_ number: Int) -> nt_kv_layer {
        nt_kv_layer(
            storage: storage.base + number % copyCount * blockCount * blockByteCount, type: type.rawValue,
            block_size: Int64(Self.blockSize), kv_head_count: Int64(shape.keyValueHeadCount),
            head_dimension: Int64(shape.headDimension))
    }

    /// Random keys and values in every slot.
    private func fill() {
        let width = shape.keyValueHeadCount * shape.headDimension
        guard let rows = try? BenchMemory(byteCount: Self.blockSize * width * 4) else { return }
        rows.fillFloats(Self.blockSize * width)
        for copy in 0..<copyCount {
            var layer = layer(copy)
            for block in 0..<blockCount {
                let slots = (0..<Self.blockSize).map { Int32(block * Self.blockSize + $0) }
                nt_kv_write(workers, &layer, rows.floats, rows.floats, Int64(width), slots, Int64(Self.blockSize))
            }
        }
    }

    var scratchFloatCount: Int {
        nt_attention_scratch(
            type.rawValue, Int64(shape.headDimension), Int64(shape.headCount / shape.keyValueHeadCount),
            Int64(contextCount))
    }

    func run(_ number: Int) {
        var layer = layer(number)
        let width = Int64(shape.headCount * shape.headDimension)
        positions.withUnsafeBufferPointer { positions in
            tokenRows.withUnsafeBufferPointer { tokenRows in
                tables.withUnsafeBufferPointer { tables in
                    starts.withUnsafeBufferPointer { starts in
                        var plan = nt_attention_plan()
                        plan.queries = UnsafePointer(queries.floats)
                        (plan.q_stride, plan.out_stride) = (width, width)
                        plan.out = output.floats
                        plan.token_count = Int64(positions.count)
                        plan.query_head_count = Int64(shape.headCount)
                        plan.scale = 1 / Float(shape.headDimension).squareRoot()
                        plan.positions = positions.baseAddress
                        plan.token_rows = tokenRows.baseAddress
                        plan.block_tables = tables.baseAddress
                        plan.block_table_starts = starts.baseAddress
                        plan.partials = partials.floats
                        plan.partial_count = partialCount
                        nt_attention(workers, &layer, &plan)
                    }
                }
            }
        }
    }

    /// As work for the table.
    var work: BenchKernelWork {
        let seen = positions.reduce(0) { $0 + Int($1) + 1 }
        let isPrompt = tokenRows.count > 1 && starts.count == 2
        let rowCount = starts.count - 1
        let heads = "\(shape.headCount)/\(shape.keyValueHeadCount) heads of \(shape.headDimension)"
        return BenchKernelWork(
            name: isPrompt
                ? "attention, prompt of \(positions.count), \(heads)" : "attention at \(contextCount), \(heads)",
            type: type.name, rowCount: isPrompt ? positions.count : rowCount,
            byteCount: Double(blockByteCount * blockCount),
            operationCount: 4 * Double(seen * shape.headCount * shape.headDimension), unit: .bf16,
            run: { self.run($0) })
    }
}
