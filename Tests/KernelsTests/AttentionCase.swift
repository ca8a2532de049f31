import CKernels
import Foundation
import Kernels
import TestSupport

/// Sequences in a paged cache whose blocks lie in any order, and the queries of each one's last tokens.
///
/// What nobody wrote in the cache is bytes of 255: no number, as bfloat and as float.
final class AttentionCase {
    struct Shape: CustomStringConvertible {
        var type: CacheType
        var headsPerKeyValueHead = 4
        var dimension = 64
        var blockSize = 16
        var window: Int?

        var description: String {
            let seen = window.map { ", window \($0)" } ?? ""
            return "\(type.rawValue), \(headsPerKeyValueHead) heads of \(dimension), blocks of \(blockSize)\(seen)"
        }
    }

    static let keyValueHeadCount = 2

    let shape: Shape
    let queryHeadCount: Int
    let tokenCount: Int
    private let storage: UnsafeMutableRawBufferPointer
    private let queries, output, partials: UnsafeMutableBufferPointer<Float>
    private let positions, tokenRows, blockTables, blockTableStarts: UnsafeMutableBufferPointer<Int32>
    private let longest: Int

    /// - Parameters:
    ///   - lengths: tokens of each sequence.
    ///   - queryCount: tokens at the end of each that have queries.
    init(_ shape: Shape, lengths: [Int], queryCount: Int, largestQuery: Float = 4) throws {
        var generator = TestGenerator(seed: 17)
        self.shape = shape
        queryHeadCount = shape.headsPerKeyValueHead * Self.keyValueHeadCount
        longest = lengths.max() ?? 0
        let blockCounts = lengths.map { ($0 + shape.blockSize - 1) / shape.blockSize }
        let blockCount = blockCounts.reduce(1, +)
        let blockByteCount =
            shape.type.blockByteCount(
                blockSize: shape.blockSize, keyValueHeadCount: Self.keyValueHeadCount, headDimension: shape.dimension)
            ?? 0
        storage = .allocate(byteCount: blockCount * blockByteCount, alignment: 64)
        storage.initializeMemory(as: UInt8.self, repeating: 255)

        let counts = lengths.map { min($0, queryCount) }
        tokenCount = counts.reduce(0, +)
        positions = Self.copy(
            zip(lengths, counts).flatMap { length, count in (length - count..<length).map(Int32.init) })
        tokenRows = Self.copy(counts.indices.flatMap { Array(repeating: Int32($0), count: counts[$0]) })
        blockTables = Self.copy((0..<blockCount - 1).map { Int32($0 + 1) }.shuffled(using: &generator))
        blockTableStarts = Self.copy(
            blockCounts.indices.map { Int32(blockCounts[..<$0].reduce(0, +)) } + [Int32(blockCount - 1)])
        let width = queryHeadCount * shape.dimension
        queries = Self.copy(generator.floats(tokenCount * width, in: -largestQuery...largestQuery))
        output = Self.copy([Float](repeating: 0, count: tokenCount * width))
        let partialCount = Workers.attentionPartials(
            tokenCount: tokenCount, queryHeadCount: queryHeadCount, headDimension: shape.dimension,
            contextCount: longest)
        partials = Self.copy([Float](repeating: .nan, count: partialCount))
        let workers = try self.workers(threadCount: 1)
        for (row, length) in lengths.enumerated() { write(row, length, workers, &generator) }
    }

    deinit {
        storage.deallocate()
        for floats in [queries, output, partials] { floats.deallocate() }
        for integers in [positions, tokenRows, blockTables, blockTableStarts] { integers.deallocate() }
    }

    private static func copy<Element>(_ elements: [Element]) -> UnsafeMutableBufferPointer<Element> {
        let memory = UnsafeMutableBufferPointer<Element>.allocate(capacity: elements.count)
        _ = memory.initialize(from: elements)
        return memory
    }

    func workers(threadCount: Int, instructionSet: InstructionSet? = nil) throws -> Workers {
        let scratch = Workers.attentionScratch(
            contextCount: longest, headsPerKeyValueHead: shape.headsPerKeyValueHead, headDimension: shape.dimension,
            type: shape.type)
        return try Workers(threadCount: threadCount, scratchFloatCount: scratch, instructionSet: instructionSet)
    }

    private func layer(partials: UnsafeMutableBufferPointer<Float>) -> KeyValueLayer {
        KeyValueLayer(
            storage.baseAddress!, type: shape.type, blockSize: shape.blockSize,
            keyValueHeadCount: Self.keyValueHeadCount, headDimension: shape.dimension, partials: partials)
    }

    private var view: nt_kv_layer {
        nt_kv_layer(
            storage: storage.baseAddress, type: shape.type.raw, block_size: Int64(shape.blockSize),
            kv_head_count: Int64(Self.keyValueHeadCount), head_dimension: Int64(shape.dimension))
    }

    private func slot(row: Int, position: Int) -> Int32 {
        let block = blockTables[Int(blockTableStarts[row]) + position / shape.blockSize]
        return block * Int32(shape.blockSize) + Int32(position % shape.blockSize)
    }

    private func write(_ row: Int, _ length: Int, _ workers: Workers, _ generator: inout TestGenerator) {
        let width = Self.keyValueHeadCount * shape.dimension
        var keys = generator.floats(length * width, in: -2...2)
        var values = generator.floats(length * width, in: -2...2)
        let slots = (0..<length).map { slot(row: row, position: $0) }
        keys.withUnsafeMutableBufferPointer { keys in
            values.withUnsafeMutableBufferPointer { values in
                workers.writeKeyValues(
                    layer(partials: partials),
                    keys: FloatRows(keys.baseAddress!, rowCount: length, columnCount: width),
                    values: FloatRows(values.baseAddress!, rowCount: length, columnCount: width), slots: slots)
            }
        }
    }

    /// Attention of all tokens, `step` of them in a call.
    func run(_ workers: Workers, step: Int? = nil, cutsChunks: Bool = false) -> [Float] {
        let width = queryHeadCount * shape.dimension
        output.update(repeating: .nan)
        var first = 0
        while first < tokenCount {
            let count = min(step ?? tokenCount, tokenCount - first)
            workers.attention(
                layer(partials: cutsChunks ? partials : .init(start: nil, count: 0)),
                queries: FloatRows(queries.baseAddress! + first * width, rowCount: count, columnCount: width),
                at: AttentionPlaces(
                    positions: positions.baseAddress! + first, tokenRows: tokenRows.baseAddress! + first,
                    blockTables: blockTables.baseAddress!, blockTableStarts: blockTableStarts.baseAddress!),
                window: shape.window,
                into: FloatRows(output.baseAddress! + first * width, rowCount: count, columnCount: width))
            first += count
        }
        return Array(output)
    }

    func reference() -> [Float] {
        let width = Int64(queryHeadCount * shape.dimension)
        var scratch = [Float](repeating: 0, count: max(longest, 2 * shape.dimension))
        var view = view
        var plan = nt_attention_plan()
        plan.queries = UnsafePointer(queries.baseAddress)
        plan.q_stride = width
        plan.out = output.baseAddress
        plan.out_stride = width
        plan.token_count = Int64(tokenCount)
        plan.query_head_count = Int64(queryHeadCount)
        plan.scale = 1 / Float(shape.dimension).squareRoot()
        plan.window = Int64(shape.window ?? 0)
        plan.positions = UnsafePointer(positions.baseAddress)
        plan.token_rows = UnsafePointer(tokenRows.baseAddress)
        plan.block_tables = UnsafePointer(blockTables.baseAddress)
        plan.block_table_starts = UnsafePointer(blockTableStarts.baseAddress)
        nt_reference_attention(&view, &plan, &scratch)
        return Array(output)
    }

    /// In double precision over what the cache holds.
    func exact() -> [Double] {
        (0..<tokenCount).flatMap { token in (0..<queryHeadCount).flatMap { exact(token: token, head: $0) } }
    }

    private func exact(token: Int, head: Int) -> [Double] {
        let (position, row) = (Int(positions[token]), Int(tokenRows[token]))
        let start = (token * queryHeadCount + head) * shape.dimension
        var view = view
        var key = [Float](repeating: 0, count: shape.dimension)
        var value = key
        var (scores, values): ([Double], [[Float]]) = ([], [])
        for seen in max(0, position + 1 - (shape.window ?? .max / 2))...position {
            nt_reference_kv_read(
                &view, Int64(slot(row: row, position: seen)), Int64(head / shape.headsPerKeyValueHead), &key, &value)
            let product = key.indices.map { Double(key[$0]) * Double(queries[start + $0]) }.reduce(0, +)
            scores.append(product / Double(shape.dimension).squareRoot())
            values.append(value)
        }
        let highest = scores.max() ?? 0
        let weights = scores.map { exp($0 - highest) }
        let total = weights.reduce(0, +)
        return key.indices.map { d in
            zip(weights, values).map { $0 * Double($1[d]) }.reduce(0, +) / total
        }
    }
}
