import CKernels
import InferenceTypes

/// One operation on one shape, ready to run.
struct BenchKernelWork {
    /// `gate, up 9728 × 896`
    var name: String
    /// Element type of what is read most.
    var type: String
    /// Rows of activations, or sequences.
    var rowCount: Int
    /// Read and written at least, per call.
    var byteCount: Double
    /// A multiplication and an addition are two, per call.
    var operationCount: Double
    /// What multiplies; nil where nothing but memory counts.
    var unit: Roofline.Unit?
    /// Runs it. The number says which copy of what it reads is its turn.
    var run: (Int) -> Void
}

/// A matrix of a model.
struct BenchMatrixShape: Sendable, Hashable {
    var name: String
    var type: ElementType
    var rowCount: Int
    var columnCount: Int
    /// The first half of the rows is a gate, the other what it lets through.
    var isGated = false

    var label: String { "\(name) \(rowCount) × \(columnCount)" }
}

/// A model's attention.
struct BenchAttentionShape: Sendable, Hashable {
    var headCount: Int
    var keyValueHeadCount: Int
    var headDimension: Int
}

/// Memory that the kernels read and write, freed with this.
final class BenchMemory {
    let base: UnsafeMutableRawPointer
    let byteCount: Int

    /// - Throws: `StartError` where there is not so much.
    init(byteCount: Int) throws(StartError) {
        guard let base = nt_pages_allocate(byteCount) else {
            throw StartError("the bench needs \(Readable.bytes(byteCount)) more of memory")
        }
        self.base = base
        self.byteCount = byteCount
    }

    deinit { nt_pages_free(base, byteCount) }

    var floats: UnsafeMutablePointer<Float> { base.assumingMemoryBound(to: Float.self) }

    /// Floats around zero, the same each time.
    func fillFloats(_ count: Int, scale: Float = 1) {
        precondition(count * MemoryLayout<Float>.stride <= byteCount)
        var state: UInt64 = 1
        for index in 0..<count { floats[index] = (Float(Self.next(&state) >> 40) * 0x1p-23 - 1) * scale }
    }

    /// - Source: Knuth's MMIX generator; only its high bits are used.
    static func next(_ state: inout UInt64) -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state
    }

    /// Bytes of one buffer for each copy that makes reading come from memory, not from the cache.
    ///
    /// - Source: ten times the last cache of most machines.
    static let coldByteCount = 320 << 20

    /// So many copies of something are colder than the cache.
    static func copyCount(byteCount: Int, coldByteCount: Int, limit: Int = 512) -> Int {
        min(max(1, (coldByteCount + byteCount - 1) / max(1, byteCount)), limit)
    }
}

/// Random weights of a type, packed, in so many copies that the cache holds none when its turn comes.
final class BenchPackedMatrix {
    let shape: BenchMatrixShape
    let kind: nt_row_kind
    let copyCount: Int
    /// Bytes of all panels.
    let byteCount: Int
    private let memory: BenchMemory

    init(_ shape: BenchMatrixShape, _ workers: OpaquePointer, coldByteCount: Int) throws(StartError) {
        self.shape = shape
        kind = nt_packed_input(shape.type.rawValue)
        let panelByteCount = nt_packed_panel_bytes(shape.type.rawValue, Int64(shape.columnCount))
        byteCount = panelByteCount * ((shape.rowCount + 31) / 32)
        copyCount = BenchMemory.copyCount(byteCount: byteCount, coldByteCount: coldByteCount)
        memory = try BenchMemory(byteCount: byteCount * copyCount)
        guard let rowByteCount = shape.type.byteCount(elementCount: shape.columnCount) else {
            throw StartError("\(shape.label) has no whole blocks of \(shape.type.name)")
        }
        let raw = try BenchMemory(byteCount: rowByteCount * shape.rowCount)
        Self.fill(raw, shape.type, byteCount: rowByteCount * shape.rowCount)
        var matrix = nt_matrix(
            data: raw.base, type: shape.type.rawValue, rows: Int64(shape.rowCount), columns: Int64(shape.columnCount),
            row_bytes: rowByteCount)
        nt_pack(workers, &matrix, memory.base)
        for copy in 1..<max(copyCount, 1) {
            (memory.base + copy * byteCount).copyMemory(from: memory.base, byteCount: byteCount)
        }
    }

    /// Copy `number`, or of its rows only the half that begins at `first`.
    func packed(_ number: Int, first: Int = 0, rowCount: Int? = nil) -> nt_packed {
        let panelByteCount = byteCount / ((shape.rowCount + 31) / 32)
        return nt_packed(
            panels: memory.base + number % copyCount * byteCount + first / 32 * panelByteCount,
            type: shape.type.rawValue, rows: Int64(rowCount ?? shape.rowCount), columns: Int64(shape.columnCount),
            panel_bytes: panelByteCount)
    }

    /// Random bytes, but scales that are small numbers: any bits may stand for infinity or none.
    private static func fill(_ memory: BenchMemory, _ type: ElementType, byteCount: Int) {
        guard type != .f32 else { return memory.fillFloats(byteCount / 4, scale: 0.05) }
        var state: UInt64 = 7
        let bytes = memory.base.assumingMemoryBound(to: UInt8.self)
        for index in 0..<byteCount { bytes[index] = UInt8(truncatingIfNeeded: BenchMemory.next(&state) >> 48) }
        for block in stride(from: 0, to: byteCount, by: type.blockByteCount) {
            for offset in scaleOffsets(of: type) {
                // 2^-7 and a bit as a half; 0.01 and a bit as BF16.
                bytes[block + offset + 1] = type == .bf16 ? 0x3C | bytes[block + offset + 1] & 0x80 : 0x20
            }
        }
    }

    /// Where the halves stand that scale a block.
    ///
    /// - Source: ggml-common.h's block layouts, as `CKernels` reads them.
    private static func scaleOffsets(of type: ElementType) -> [Int] {
        switch type {
        case .f32: []
        case .f16, .bf16, .q4_0, .q5_0, .q8_0: [0]
        case .q4_1, .q5_1, .q4_K, .q5_K: [0, 2]
        case .q6_K: [208]
        }
    }
}
