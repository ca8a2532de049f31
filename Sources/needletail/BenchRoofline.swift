import CKernels
import InferenceTypes

/// What the machine did at most in the moment of the measurement. Memory is often faster or slower a second later, so
/// each figure is held against one before it and one after it.
struct Roofline: Sendable, Equatable {
    /// Bytes a second.
    var bandwidth: Double
    /// Operations a second, a multiplication and an addition being two; 0 where the processor has no such unit.
    var peaks: [Unit: Double]

    enum Unit: String, CaseIterable, Sendable {
        case int8, bf16, fp32

        var raw: nt_unit {
            switch self {
            case .int8: NT_UNIT_INT8
            case .bf16: NT_UNIT_BF16
            case .fp32: NT_UNIT_FP32
            }
        }

        /// The instruction, for people; nil where there is none.
        var instruction: String? { nt_unit_name(raw).map { String(cString: $0) } }
    }

    /// Of a unit, or of floats where the processor has no such unit.
    func peak(_ unit: Unit) -> Double {
        let own = peaks[unit] ?? 0
        return own > 0 ? own : peaks[.fp32] ?? 0
    }

    /// In the middle of the two.
    static func between(_ before: Roofline, _ after: Roofline) -> Roofline {
        var middle = Roofline(bandwidth: (before.bandwidth + after.bandwidth) / 2, peaks: [:])
        for unit in Unit.allCases { middle.peaks[unit] = ((before.peaks[unit] ?? 0) + (after.peaks[unit] ?? 0)) / 2 }
        return middle
    }

    /// Seconds that so much takes at least.
    func seconds(byteCount: Double, operationCount: Double, _ unit: Unit) -> Double {
        max(bandwidth > 0 ? byteCount / bandwidth : 0, peak(unit) > 0 ? operationCount / peak(unit) : 0)
    }

    var document: JSONValue {
        .document([
            "bandwidth": .number(bandwidth), "int8": .number(peaks[.int8]), "bf16": .number(peaks[.bf16]),
            "fp32": .number(peaks[.fp32]),
        ])
    }
}

/// Measures the roofline, again and again, over one piece of memory.
final class RooflineProbe {
    private let memory: UnsafeMutableRawBufferPointer
    private let threadCount: Int
    private let units: [Roofline.Unit]

    /// Memory that is read: sixteen times the last cache of this year's desktops.
    static let standardMebibytes = 512

    /// - Parameter units: what is asked for; others are 0.
    init(mebibytes: Int, threadCount: Int, units: [Roofline.Unit] = Roofline.Unit.allCases) {
        memory = .allocate(byteCount: mebibytes << 20, alignment: 64)
        // Pages that nobody has written are one page of zeros, which stays in the cache.
        memory.initializeMemory(as: UInt8.self, repeating: 1)
        self.threadCount = threadCount
        self.units = units
    }

    deinit { memory.deallocate() }

    /// Measurements, of which the best counts: what a neighbour takes is no property of the machine. A mode of the memory
    /// lasts longer than all of them.
    private static let attemptCount = 3
    private static let seconds = 0.008

    func measure() -> Roofline {
        let threads = Int32(clamping: threadCount)
        func best(_ figure: () -> Double) -> Double {
            (0..<Self.attemptCount).reduce(0) { most, _ in max(most, figure()) }
        }
        var roofline = Roofline(
            bandwidth: best { nt_measure_read(threads, memory.baseAddress, memory.count, 1) }, peaks: [:])
        for unit in units { roofline.peaks[unit] = best { nt_measure_peak(threads, unit.raw, Self.seconds) } }
        return roofline
    }
}
