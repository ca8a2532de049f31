import CKernels
import Foundation
import InferenceTypes
import Kernels
import TestSupport
import Testing

/// Panels in a file: the same whoever packed them, and harmless whatever they hold.
@Suite("Panels in a file")
struct MappedPanelTests {
    private static func columns(_ type: ElementType) -> Int { type.blockElementCount == 1 ? 65 : 512 }

    private static func panels(_ type: ElementType, _ bytes: [UInt8], rows: Int, _ workers: Workers) throws -> [UInt8] {
        let count = PackedMatrix.byteCount(type, rowCount: rows, columnCount: columns(type))
        let pages = try #require(MemoryPages(byteCount: count))
        let base = try #require(pages.bytes.baseAddress)
        bytes.withUnsafeBytes {
            let matrix = Matrix(bytes: $0, elementType: type, rowCount: rows, columnCount: columns(type))
            _ = workers.pack(matrix, into: base)
        }
        return Array(pages.bytes)
    }

    @Test("every set and number of threads packs the same bytes", arguments: ElementType.allCases)
    func alike(type: ElementType) throws {
        var generator = TestGenerator(seed: 4)
        let bytes = try randomMatrixBytes(type, rows: 75, columns: Self.columns(type), using: &generator)
        let first = try Self.panels(type, bytes, rows: 75, Workers(threadCount: 1, scratchFloatCount: 0))
        for machine in KernelMachine.all {
            #expect(try Self.panels(type, bytes, rows: 75, machine.workers(scratch: 0)) == first, "\(machine)")
        }
    }

    /// Bytes that no packing makes, in a mapping that ends with them: what lies behind faults, and so does a place that
    /// was read out of them.
    @Test("kernels read no further than the panels, whatever these hold", arguments: ElementType.allCases)
    func anyBytes(type: ElementType) throws {
        let (rows, columns) = (64, Self.columns(type))
        let count = PackedMatrix.byteCount(type, rowCount: rows, columnCount: columns)
        let page = sysconf(Int32(_SC_PAGESIZE))
        let size = (count + page - 1) / page * page
        for fill in [nil, 0x00, 0x7F, 0x80, 0xFF] as [UInt8?] {
            var generator = TestGenerator(seed: 9)
            let content = (0..<size).map { _ in fill ?? UInt8.random(in: 0...255, using: &generator) }
            let pages = try map(content)
            let base = try #require(pages.bytes.baseAddress) + (size - count)
            let matrix = PackedMatrix(base, elementType: type, rowCount: rows, columnCount: columns)
            for machine in KernelMachine.all {
                let workers = try machine.workers(scratch: 1024)
                let input = rowsOfActivations(matrix.inputKind, columns: columns)
                for rowCount in [1, 3, 13] {
                    var output = [Float](repeating: 0, count: rowCount * rows)
                    output.withUnsafeMutableBufferPointer { output in
                        guard let output = output.baseAddress, let input = input.baseAddress else { return }
                        workers.project(
                            ActivationRows(input, kind: matrix.inputKind, rowCount: rowCount, columnCount: columns),
                            matrix, into: FloatRows(output, rowCount: rowCount, columnCount: rows))
                    }
                }
                input.deallocate()
                var gathered = [Float](repeating: 0, count: rows * columns)
                gathered.withUnsafeMutableBufferPointer { gathered in
                    (0..<Int32(rows)).map { $0 }.withUnsafeBufferPointer { ids in
                        guard let base = gathered.baseAddress else { return }
                        workers.gather(
                            matrix, rows: ids, into: FloatRows(base, rowCount: rows, columnCount: columns))
                    }
                }
            }
        }
    }

    private func rowsOfActivations(_ kind: RowKind, columns: Int) -> UnsafeMutableRawBufferPointer {
        var generator = TestGenerator(seed: 2)
        let rowByteCount = kind.rowByteCount(columnCount: columns)
        let rows = UnsafeMutableRawBufferPointer.allocate(byteCount: 13 * rowByteCount, alignment: 64)
        for row in 0..<13 {
            let floats = generator.floats(columns, in: -3...3)
            nt_reference_convert(
                kind == .float32 ? NT_ROWS_F32 : kind == .bfloat16 ? NT_ROWS_BF16 : NT_ROWS_Q8, floats, Int64(columns),
                rows.baseAddress.map { $0 + row * rowByteCount })
        }
        return rows
    }

    /// Bytes as the panels of a file that is already gone.
    private func map(_ content: [UInt8]) throws -> MappedPages {
        let file = try TemporaryFile(Data(count: MappedPages.alignment) + content)
        return try #require(
            MappedPages(
                descriptor: file.descriptor, offset: MappedPages.alignment, byteCount: content.count))
    }

    @Test("a mapping begins on a large page, holds the file's bytes, and says where they are gone")
    func mapping() throws {
        let content = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let file = try TemporaryFile(Data(count: MappedPages.alignment) + content)
        let pages = try #require(
            MappedPages(descriptor: file.descriptor, offset: MappedPages.alignment, byteCount: content.count))
        #expect(UInt(bitPattern: pages.bytes.baseAddress) % UInt(MappedPages.alignment) == 0)
        #expect(pages.populate(0..<content.count) && pages.bytes.elementsEqual(content))
        // Whoever looked there would be ended.
        #expect(ftruncate(file.descriptor, off_t(MappedPages.alignment + 50_000)) == 0)
        #expect(pages.populate(0..<50_000) && !pages.populate(0..<content.count))
        #expect(MappedPages(descriptor: file.descriptor, offset: 4096, byteCount: 10) == nil)
        #expect(MappedPages(descriptor: file.descriptor, offset: 0, byteCount: 0) == nil)
        #expect(MappedPages(descriptor: -1, offset: 0, byteCount: 10) == nil)
    }
}

/// A file without a name, open to read and write.
private final class TemporaryFile {
    let descriptor: Int32

    init(_ content: Data) throws {
        let url = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try content.write(to: url)
        descriptor = open(url.path, O_RDWR)
        try FileManager.default.removeItem(at: url)
        try #require(descriptor >= 0)
    }

    deinit { close(descriptor) }
}
