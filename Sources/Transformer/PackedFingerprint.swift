import Checkpoints
import InferenceTypes
import Kernels

/// Numbers and texts as one checksum.
struct PackedFingerprint {
    private var bytes: [UInt8] = []

    mutating func add(_ number: Int) { withUnsafeBytes(of: Int64(number)) { bytes += $0 } }

    mutating func add(_ checksum: UInt64) { withUnsafeBytes(of: checksum) { bytes += $0 } }

    /// The length first: no two sequences of texts are the same bytes.
    mutating func add(_ text: String) {
        add(text.utf8.count)
        bytes += text.utf8
    }

    var value: UInt64 { bytes.withUnsafeBytes { digest($0) } }
}

extension PackingPlan {
    /// Raised when packing makes other bytes of the same file in the same layout: another rounding to a smaller type.
    private static let packingVersion = 1

    /// Which matrices lie where, and as what. How products are computed enters as the types that it makes of them:
    /// what packs alike is one file.
    func fingerprint(_ checkpoint: Checkpoint) throws(CheckpointError) -> UInt64 {
        var fingerprint = PackedFingerprint()
        var offset = 0
        fingerprint.add(Self.packingVersion)
        for group in groups {
            for (role, type) in zip(group.roles, group.types) {
                let view = try checkpoint.required(role, in: group.layer)
                fingerprint.add("\(role)")
                fingerprint.add(group.layer ?? -1)
                fingerprint.add(view.tensor.name)
                fingerprint.add(Int(view.elementType.rawValue))
                fingerprint.add(view.layout == .transposed ? 1 : 0)
                fingerprint.add(view.outputs.lowerBound)
                fingerprint.add(view.outputCount)
                fingerprint.add(view.inputCount)
                fingerprint.add(Int(type.rawValue))
                fingerprint.add(offset)
                offset += PackedMatrix.byteCount(type, rowCount: view.outputCount, columnCount: view.inputCount)
            }
        }
        return fingerprint.value
    }

    /// The files that the matrices come from: name, size and time of the last change of each, and samples of each matrix.
    ///
    /// Reading every byte would cost what the file of packed weights saves. The samples are for what times do not tell:
    /// a copy that keeps them, an image or a store that sets all of them to one. Fine-tuning changes nearly every number
    /// of a matrix that it changes at all.
    func source(_ checkpoint: Checkpoint) throws(CheckpointError) -> UInt64 {
        var fingerprint = PackedFingerprint()
        let files = checkpoint.weights.files
        for file in files {
            fingerprint.add(file.name)
            fingerprint.add(file.byteCount)
            fingerprint.add(file.status?.modificationSeconds ?? 0)
            fingerprint.add(file.status?.modificationNanoseconds ?? 0)
        }
        // What is linked into the program has no time, and is small.
        let isWhole = files.contains { $0.status == nil }
        for group in groups {
            for role in group.roles {
                let tensor = try checkpoint.required(role, in: group.layer).tensor
                for sample in isWhole ? [tensor.bytes] : tensor.samples { fingerprint.add(digest(sample)) }
                if !isWhole { tensor.forgetPages() }
            }
        }
        return fingerprint.value
    }
}

extension TensorView {
    private static let sampleByteCount = 1024

    /// The first, middle and last KiB.
    fileprivate var samples: [UnsafeRawBufferPointer] {
        let bytes = bytes
        let count = min(Self.sampleByteCount, bytes.count)
        return [0, (bytes.count - count) / 2, bytes.count - count].map {
            UnsafeRawBufferPointer(rebasing: bytes[$0..<$0 + count])
        }
    }
}
