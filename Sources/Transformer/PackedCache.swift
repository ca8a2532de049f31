import Checkpoints
import Glibc
import Kernels

/// The panels of one model in a file: mapped where it is the right one, written where it is not. Whatever goes wrong is
/// told, and then the weights are packed as without a cache.
struct PackedCache {
    private let folder: String
    private let name: String
    private let header: PackedFileHeader
    private let owners: Set<UInt32>
    private let mode: mode_t
    private let workers: Workers
    private let report: (WeightLoading.Event) -> Void

    static let suffix = ".needletail-packed"

    /// Looks at samples of the model, and at nothing of the cache.
    init(
        _ location: PackedCacheLocation, _ checkpoint: Checkpoint, _ plan: PackingPlan, _ workers: Workers,
        report: @escaping (WeightLoading.Event) -> Void
    ) throws(CheckpointError) {
        let fingerprint = try plan.fingerprint(checkpoint)
        let status = checkpoint.weights.files.map(\.status)
        header = PackedFileHeader(
            panelByteCount: plan.byteCount, plan: fingerprint, source: try plan.source(checkpoint))
        owners = Set(status.compactMap { $0?.owner } + [geteuid(), 0])
        self.workers = workers
        self.report = report
        switch location {
        case .beside(let folder, let name):
            self.folder = folder
            self.name = name + Self.suffix
            // In the same folder, whoever may read the model may read this.
            mode = status.allSatisfy { $0?.isPublic ?? true } ? 0o644 : 0o600
        case .folder(let folder, let model):
            self.folder = folder
            name = Self.name(checkpoint.fileName, model, fingerprint)
            // The model may lie where others cannot go.
            mode = 0o600
        }
    }

    /// A name for each model, as long as it lies where it does, and for each way to pack it.
    private static func name(_ fileName: String, _ path: String?, _ plan: UInt64) -> String {
        var fingerprint = PackedFingerprint()
        fingerprint.add(path ?? "")
        fingerprint.add(plan)
        let digits = String(fingerprint.value, radix: 16)
        // Names have up to 255 bytes.
        let start = String(decoding: fileName.utf8.prefix(160), as: UTF8.self)
        return start + "-" + String(repeating: "0", count: 16 - digits.count) + digits + suffix
    }

    /// The panels; nil where they have to be packed.
    func load() -> MappedPages? {
        do throws(PackedFileError) {
            let reader = PackedFileReader(name: name, header: header, owners: owners)
            let total = header.panelByteCount
            let pages = try reader.map(in: PackedFolder(path: folder), workers) {
                report(.progress(.checking, done: $0, total: total))
            }
            if pages != nil { report(.mapped(file: name)) }
            return pages
        } catch {
            report(.unused(file: name, reason: error.description))
            return nil
        }
    }

    /// Keeps what was packed for the next start.
    func store(_ panels: UnsafeRawBufferPointer) {
        var (header, digest) = (header, PieceDigest())
        digest.add(panels, workers)
        header.checksum = digest.value
        do throws(PackedFileError) {
            let writer = PackedFileWriter(name: name, mode: mode)
            let outcome = try writer.write(header, panels, in: PackedFolder(path: folder)) {
                report(.progress(.writing, done: $0, total: panels.count))
            }
            if outcome == .written { report(.written(file: name)) }
        } catch {
            report(.notWritten(file: name, reason: error.description))
        }
    }
}
