import ArgumentParser
import Foundation
import InferenceTypes

/// On what, and with what, figures were measured: the line above each table.
struct BenchMachine: Sendable {
    var processor: String
    /// Extensions of the instruction set that matter here, in the words of the kernel.
    var features: [String]
    var processorCount: Int
    /// Of the kernels; nil where none run.
    var threadCount: Int?
    /// UTC, to the minute.
    var date: String
    var build = Build.version + (isDebug ? " (debug: times say nothing)" : "")

    static func current(threadCount: Int?) -> BenchMachine {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        return BenchMachine(
            cpuinfo: text, threadCount: threadCount, processorCount: ProcessInfo.processInfo.activeProcessorCount,
            secondsSince1970: Clock.secondsSince1970())
    }

    init(cpuinfo: String, threadCount: Int?, processorCount: Int, secondsSince1970: Int) {
        processor = Self.value(of: ["model name", "Model", "CPU part"], in: cpuinfo) ?? "unknown processor"
        let flags = Set(
            (Self.value(of: ["flags", "Features"], in: cpuinfo) ?? "").split(separator: " ").map(String.init))
        features = Self.telling.filter(flags.contains)
        self.threadCount = threadCount
        self.processorCount = processorCount
        date = Self.text(secondsSince1970: secondsSince1970)
    }

    /// - Source: Linux, arch/x86/include/asm/cpufeatures.h and arch/arm64/kernel/cpuinfo.c.
    private static let telling = [
        "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx512vbmi",
        "amx_int8",
        "amx_bf16", "asimd", "asimddp", "i8mm", "bf16", "sve",
    ]

    private static var isDebug: Bool {
        var isDebug = false
        assert(
            {
                isDebug = true
                return true
            }())
        return isDebug
    }

    private static func value(of names: [String], in text: String) -> String? {
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, names.contains(parts[0].trimmingCharacters(in: .whitespaces)) else { continue }
            return parts[1].trimmingCharacters(in: .whitespaces)
        }
        return nil
    }

    /// `2026-11-25 00:51 UTC`
    private static func text(secondsSince1970 seconds: Int) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(secondsFromGMT: 0)
        formatter.dateFormat = "yyyy-MM-dd HH:mm"
        return formatter.string(from: Date(timeIntervalSince1970: TimeInterval(seconds))) + " UTC"
    }

    var line: String {
        let words = features.isEmpty ? "" : ": " + features.joined(separator: " ")
        return "needletail \(build), \(date), \(processor) (\(processorCount) processors\(words))"
            + (threadCount.map { ", \($0) threads" } ?? "")
    }

    var document: JSONValue {
        .document([
            "build": .words(build), "date": .words(date), "processor": .words(processor),
            "features": .array(features.map { .words($0) }), "processors": .number(processorCount),
            "threads": threadCount.map { .number($0) } ?? .null,
        ])
    }
}

/// `1,2,4`: counts in the order given.
struct CountList: ExpressibleByArgument, CustomStringConvertible, Sendable, Equatable {
    var counts: [Int]

    init(_ counts: [Int]) { self.counts = counts }

    /// - Source: more would be no table.
    static let maxCount = 64

    init?(argument: String) {
        let counts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
        guard counts.count <= Self.maxCount, !counts.contains(nil) else { return nil }
        self.counts = counts.compactMap { $0 }
    }

    var description: String { counts.map(String.init).joined(separator: ",") }
    var defaultValueDescription: String { description }

    var most: Int { counts.max() ?? 0 }

    /// - Throws: `ValidationError` that names the flag and its range.
    func check(_ name: String, _ range: ClosedRange<Int>) throws {
        for count in counts { try needletail.check(name, count, range) }
    }
}
