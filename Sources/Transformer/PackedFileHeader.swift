import Kernels

/// Why a file of packed weights is not used, or could not be written.
struct PackedFileError: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// What stands before the panels in a file of packed weights, and decides whether they are those that packing would make.
///
/// Numbers are the machine's own, as in the panels. Behind the header nothing is read up to `panelsOffset`.
///
///     0   8 bytes  "NTPACKED"
///     8   UInt32   0x01020304, the machine's order of bytes
///     12  UInt32   format of this file
///     16  UInt32   layout of panels
///     20  UInt32   where the panels begin
///     24  UInt64   bytes of panels: the file ends behind them
///     32  UInt64   plan: which matrices lie where, as what
///     40  UInt64   source: the files that they come from
///     48  UInt64   checksum of the panels
///     56  UInt64   checksum of what stands before it
struct PackedFileHeader: Equatable {
    /// Panels begin where a large page can, so that the file can be mapped in such.
    static let panelsOffset = MappedPages.alignment
    static let byteCount = 64

    private static let magic = Array("NTPACKED".utf8)
    private static let byteOrder: UInt32 = 0x0102_0304
    /// Of everything but the panels.
    private static let format: UInt32 = 1

    var panelByteCount: Int
    var plan: UInt64
    var source: UInt64
    /// `PieceDigest` of the panels.
    var checksum: UInt64 = 0

    var bytes: [UInt8] {
        var bytes = Self.magic
        for word in [Self.byteOrder, Self.format, PackedMatrix.layout, UInt32(Self.panelsOffset)] {
            withUnsafeBytes(of: word) { bytes += $0 }
        }
        for word in [UInt64(panelByteCount), plan, source, checksum] { withUnsafeBytes(of: word) { bytes += $0 } }
        let checksum = bytes.withUnsafeBytes { digest($0) }
        withUnsafeBytes(of: checksum) { bytes += $0 }
        return bytes
    }

    /// The checksum that the panels behind these bytes have to have.
    ///
    /// - Throws: unless the bytes are a header of exactly what this one describes.
    func checksum(in bytes: [UInt8]) throws(PackedFileError) -> UInt64 {
        func word(_ offset: Int) -> UInt32 {
            bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
        }
        func long(_ offset: Int) -> UInt64 {
            bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
        }
        func require(_ holds: Bool, _ reason: @autoclosure () -> String) throws(PackedFileError) {
            if !holds { throw PackedFileError(reason()) }
        }
        try require(bytes.count == Self.byteCount && bytes.starts(with: Self.magic), "it is no file of packed weights")
        try require(word(8) == Self.byteOrder, "it comes from a machine with another order of bytes")
        try require(word(12) == Self.format, "its format is \(word(12)), not \(Self.format)")
        try require(
            long(56) == bytes.withUnsafeBytes { digest(UnsafeRawBufferPointer(rebasing: $0[..<56])) },
            "its header is damaged")
        try require(word(16) == PackedMatrix.layout, "its panels have layout \(word(16)), not \(PackedMatrix.layout)")
        try require(word(20) == UInt32(Self.panelsOffset), "its panels begin elsewhere")
        try require(long(40) == source, "it was made from another model file, or from an older one")
        try require(long(32) == plan, "its weights are packed in another way")
        try require(long(24) == UInt64(panelByteCount), "it has \(long(24)) bytes of weights, not \(panelByteCount)")
        return long(48)
    }
}
