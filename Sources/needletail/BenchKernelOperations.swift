import CKernels
import InferenceTypes
import Sampling

/// Makes the work of each operation.
struct BenchKernelOperations {
    let workers: OpaquePointer
    /// Bytes of copies that are read in turn.
    let coldByteCount: Int

    /// Rows of random activations of a kind.
    private final class Rows {
        let rows: nt_rows
        private let memory: BenchMemory

        init(_ kind: nt_row_kind, rowCount: Int, columnCount: Int, _ workers: OpaquePointer) throws(StartError) {
            let rowByteCount = nt_row_bytes(kind, Int64(columnCount))
            memory = try BenchMemory(byteCount: rowByteCount * rowCount)
            rows = nt_rows(data: memory.base, kind: kind, columns: Int64(columnCount), row_bytes: rowByteCount)
            let floats = try BenchMemory(byteCount: rowCount * columnCount * 4)
            floats.fillFloats(rowCount * columnCount)
            var output = rows
            nt_convert_rows(workers, floats.floats, Int64(rowCount), Int64(columnCount), &output)
        }
    }

    private static func unit(of kind: nt_row_kind) -> Roofline.Unit {
        switch kind {
        case NT_ROWS_Q8: .int8
        case NT_ROWS_BF16: .bf16
        default: .fp32
        }
    }

    /// A product of packed weights; of gate and up, with what is between them and the next product.
    func product(_ matrix: BenchPackedMatrix, rowCount: Int) throws(StartError) -> BenchKernelWork {
        let shape = matrix.shape
        let input = try Rows(matrix.kind, rowCount: rowCount, columnCount: shape.columnCount, workers)
        let output = try BenchMemory(byteCount: rowCount * shape.rowCount * 4)
        let operations = 2 * Double(rowCount) * Double(shape.rowCount) * Double(shape.columnCount)
        let bytes = matrix.byteCount + rowCount * input.rows.row_bytes
        var work = BenchKernelWork(
            name: shape.label, type: shape.type.name, rowCount: rowCount, byteCount: Double(bytes),
            operationCount: operations, unit: Self.unit(of: matrix.kind), run: { _ in })
        if shape.isGated {
            let half = shape.rowCount / 2
            let gated = nt_rows(
                data: output.base, kind: matrix.kind, columns: Int64(half),
                row_bytes: nt_row_bytes(matrix.kind, Int64(half)))
            work.run = { [workers] number in
                let (gate, up) = (
                    matrix.packed(number, rowCount: half), matrix.packed(number, first: half, rowCount: half)
                )
                Self.gated(workers, gate, up, input.rows, rowCount, gated)
                withExtendedLifetime((input, output, matrix)) {}
            }
        } else {
            work.byteCount += Double(rowCount * shape.rowCount * 4)
            work.run = { [workers] number in
                Self.plain(workers, matrix.packed(number), input.rows, rowCount, output.floats)
                withExtendedLifetime((input, output, matrix)) {}
            }
        }
        return work
    }

    private static func plain(
        _ workers: OpaquePointer, _ weights: nt_packed, _ input: nt_rows, _ rowCount: Int,
        _ output: UnsafeMutablePointer<Float>
    ) {
        var input = input
        withUnsafePointer(to: weights) { weights in
            var product = nt_product(
                w: weights, bias: nil, out: output, out_stride: weights.pointee.rows, store: NT_STORE)
            nt_project(workers, &product, 1, &input, Int64(rowCount))
        }
    }

    private static func gated(
        _ workers: OpaquePointer, _ gate: nt_packed, _ up: nt_packed, _ input: nt_rows, _ rowCount: Int,
        _ output: nt_rows
    ) {
        var (input, output) = (input, output)
        withUnsafePointer(to: gate) { gate in
            withUnsafePointer(to: up) { up in
                var first = nt_product(w: gate, bias: nil, out: nil, out_stride: 0, store: NT_STORE)
                var second = nt_product(w: up, bias: nil, out: nil, out_stride: 0, store: NT_STORE)
                nt_project_gated(workers, &first, &second, NT_SILU, &input, Int64(rowCount), &output)
            }
        }
    }

    /// A norm whose rows are ready for the next product.
    func norm(columnCount: Int, rowCount: Int, kind: nt_row_kind) throws(StartError) -> BenchKernelWork {
        let input = try BenchMemory(byteCount: rowCount * columnCount * 4)
        input.fillFloats(rowCount * columnCount)
        let weight = try BenchMemory(byteCount: columnCount * 4)
        weight.fillFloats(columnCount)
        let output = try Rows(kind, rowCount: rowCount, columnCount: columnCount, workers)
        let type = kind == NT_ROWS_Q8 ? "Q8" : kind == NT_ROWS_BF16 ? "BF16" : "F32"
        return BenchKernelWork(
            name: "norm of \(columnCount)", type: type, rowCount: rowCount,
            byteCount: Double(rowCount * (columnCount * 4 + output.rows.row_bytes)), operationCount: 0, unit: nil
        ) { [workers] _ in
            var rows = output.rows
            nt_norm_rows(
                workers, input.floats, Int64(rowCount), Int64(columnCount), Int64(columnCount), weight.floats, nil,
                1e-6,
                &rows, nil, 0)
            withExtendedLifetime((input, weight, output)) {}
        }
    }
}

// MARK: - Vocabulary

extension BenchKernelOperations {
    /// How a row of logits becomes a token.
    enum Draw: String, CaseIterable {
        case greedy = "greedy"
        case topK = "top-k 40, top-p 0.95"

        var parameters: SamplingParameters {
            switch self {
            case .greedy: SamplingParameters(temperature: 0)
            case .topK: SamplingParameters(temperature: 0.8, topK: 40, topP: 0.95, seed: 1)
            }
        }
    }

    /// Tokens from rows of logits, by the code of the engine: peaks by all threads, then one row after the other.
    func draw(_ draw: Draw, vocabularyCount: Int, rowCount: Int) throws(StartError) -> BenchKernelWork {
        let count = vocabularyCount * rowCount
        let copyCount = BenchMemory.copyCount(byteCount: count * 4, coldByteCount: coldByteCount, limit: 16)
        let logits = try BenchMemory(byteCount: count * copyCount * 4)
        logits.fillFloats(count * copyCount, scale: 8)
        let peakCount = (vocabularyCount + Int(NT_PEAK_RUN) - 1) / Int(NT_PEAK_RUN)
        let peaks = try BenchMemory(byteCount: peakCount * rowCount * 4)
        let sampler = Reusable(Sampler())
        let context = DecodingContext(tokens: [0], promptCount: 1, ends: [])
        let parameters = draw.parameters
        return BenchKernelWork(
            name: "\(draw.rawValue) of \(vocabularyCount)", type: "F32", rowCount: rowCount,
            byteCount: Double(count * 4), operationCount: 0, unit: nil
        ) { number in
            let base = logits.floats + number % copyCount * count
            nt_peaks(workers, base, Int64(rowCount), Int64(vocabularyCount), peaks.floats)
            for row in 0..<rowCount {
                let values = UnsafeBufferPointer(start: base + row * vocabularyCount, count: vocabularyCount)
                let found = UnsafeBufferPointer(start: peaks.floats + row * peakCount, count: peakCount)
                _ = sampler.value.sample(
                    ScoreRow(values, peaks: found), parameters, LogitsProcessing(), context, choice: 0)
            }
        }
    }

    /// Memory that a run leaves to the next.
    private final class Reusable<Value> {
        var value: Value
        init(_ value: Value) { self.value = value }
    }
}
