import Checkpoints
import Foundation
import InferenceTypes
import Kernels
import TestSupport
import Testing
import Transformer

/// A model's copy in a folder of its own, and starts with the cache beside it.
final class PackedCacheCase: Sendable {
    let folder: URL
    let model: URL
    let precision: ModelPrecision

    /// - Parameter fixture: of `Tests/Fixtures/models`: a file, or a Hugging Face directory.
    init(
        _ fixture: String = "llama-gqa/model-q8_0.gguf",
        _ precision: ModelPrecision = ModelPrecision(compute: .native, cache: .f32)
    ) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        model = folder.appending(path: fixture.split(separator: "/").last.map(String.init) ?? "")
        try FileManager.default.copyItem(at: SharedData.fixture("models/\(fixture)"), to: model)
        self.precision = precision
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    var location: PackedCacheLocation { .beside(folder: folder.path, name: model.lastPathComponent) }
    var fileName: String { model.lastPathComponent + ".needletail-packed" }
    var file: URL { folder.appending(path: fileName) }

    private static let prompt: [TokenID] = (0..<19).map { TokenID($0 * 37 % 290 + 3) }

    struct Start {
        var logits: [[Float]]
        var events: [WeightLoading.Event]

        var isMapped: Bool { events.contains { if case .mapped = $0 { true } else { false } } }
        var isWritten: Bool { events.contains { if case .written = $0 { true } else { false } } }
        var unused: String? {
            events.lazy.compactMap { if case .unused(_, let reason) = $0 { reason } else { nil } }.first
        }
        var notWritten: String? {
            events.lazy.compactMap { if case .notWritten(_, let reason) = $0 { reason } else { nil } }.first
        }

        /// Bytes done and in all, in the order in which they came.
        func progress(_ phase: WeightLoading.Phase) -> [(done: Int, total: Int)] {
            events.compactMap { if case .progress(phase, let done, let total) = $0 { (done, total) } else { nil } }
        }
    }

    /// Loads the model and computes a prompt.
    func start(
        _ location: PackedCacheLocation?, threadCount: Int = 2, instructionSet: InstructionSet? = nil,
        precision: ModelPrecision? = nil
    ) throws -> Start {
        final class Log { var events: [WeightLoading.Event] = [] }
        let log = Log()
        let driver = try SequenceDriver(
            try Checkpoint.open(path: model.path), threadCount: threadCount, precision: precision ?? self.precision,
            instructionSet: instructionSet?.rawValue,
            loading: WeightLoading(cache: location) { log.events.append($0) })
        return Start(logits: driver.logits(Self.prompt, everyPosition: true), events: log.events)
    }

    func start() throws -> Start { try start(location) }

    /// What a start without a cache computes.
    func plain() throws -> Start { try start(nil) }

    func bytes() throws -> [UInt8] { try SharedData.bytes(file) }

    /// Names in the folder.
    func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }
}

/// Where the header of a file of packed weights has what.
enum PackedHeaderField: String, CaseIterable {
    case magic, byteOrder, format, layout, panelsOffset, panelByteCount, plan, source, checksum, headerChecksum

    var range: Range<Int> {
        switch self {
        case .magic: 0..<8
        case .byteOrder: 8..<12
        case .format: 12..<16
        case .layout: 16..<20
        case .panelsOffset: 20..<24
        case .panelByteCount: 24..<32
        case .plan: 32..<40
        case .source: 40..<48
        case .checksum: 48..<56
        case .headerChecksum: 56..<64
        }
    }

    /// Part of what a start says when the field is another and the header's checksum is right.
    var reason: String {
        switch self {
        case .magic: "no file of packed weights"
        case .byteOrder: "order of bytes"
        case .format: "its format is"
        case .layout: "its panels have layout"
        case .panelsOffset: "its panels begin elsewhere"
        case .panelByteCount: "bytes of weights, not"
        case .plan: "packed in another way"
        case .source: "another model file"
        case .checksum: "it is damaged"
        case .headerChecksum: "its header is damaged"
        }
    }
}
