import Foundation
import Testing

/// The invariants of the architecture that no compiler sees. Each is stated as an absence.
@Suite("Invariants")
struct InvariantTests {
    private func offenders(
        _ files: [SourceTree.File], _ patterns: [String], except: (SourceTree.File, String) -> Bool = { _, _ in false }
    ) -> [String] {
        files.flatMap { file in
            file.code.enumerated().compactMap { number, line in
                let isBad = patterns.contains { line.contains($0) } && !except(file, line)
                return isBad ? "\(file):\(number + 1): \(line.trimmingCharacters(in: .whitespaces))" : nil
            }
        }
    }

    @Test("no traps on content, no unchecked casts")
    func traps() {
        #expect(
            offenders(SourceTree.swift, ["fatalError(", "try!", "as!", "unsafeBitCast", "nonisolated(unsafe)"]) == [])
    }

    @Test("nothing is public: the package has one product, a program")
    func access() {
        #expect(offenders(SourceTree.swift, ["public "], except: { $1.contains("public:") }) == [])
    }

    @Test("no regular expressions, no mutex that the thread sanitizer misreads")
    func bannedTypes() {
        #expect(
            offenders(SourceTree.swift, ["NSRegularExpression", "Regex<", "try Regex", "import Synchronization"]) == [])
    }

    @Test("no lenient number parsing in what reads the wire or a file")
    func numbers() {
        let readers = SourceTree.swift.filter {
            ["HTTPCodec", "CompletionsAPI", "Checkpoints", "Tokenization"].contains($0.target)
        }
        #expect(offenders(readers, ["Int(\"", "UInt(\"", "radix:"]) == [])
    }

    @Test("at most five @unchecked Sendable, each with its reason above it")
    func unchecked() {
        var count = 0
        for file in SourceTree.swift {
            for (number, line) in file.lines.enumerated()
            where line.contains("@unchecked Sendable") && !line.contains("//") {
                count += 1
                let above = file.lines[..<number].suffix(8).joined()
                #expect(above.contains("///") || above.contains("//"), "\(file):\(number + 1) gives no reason")
            }
        }
        #expect(count <= 5)
    }

    @Test("locks live in the engine's mailbox and in telemetry, nowhere else")
    func locks() {
        let found = offenders(SourceTree.swift, ["pthread_mutex", "NSLock", "DispatchSemaphore", "os_unfair_lock"]) {
            file, _ in
            file.path == "Sources/Engine/Mailbox.swift" || file.target == "Telemetry"
        }
        #expect(found == [])
    }

    @Test("shared words hold no pointer, class or closure")
    func sharedWords() {
        let files = SourceTree.swift.filter { $0.target == "InferenceTypes" }
        #expect(files.count >= 6)
        #expect(offenders(files, ["Unsafe", "class ", "-> Void", "@Sendable ("]) == [])
    }

    @Test("scheduler and block pool have no clock, log, float or lock")
    func scheduler() {
        let names = ["Sources/Engine/Scheduler.swift", "Sources/Engine/BlockPool.swift"]
        let files = SourceTree.swift.filter { names.contains($0.path) }
        #expect(files.count == 2)
        #expect(
            offenders(
                files, ["Float", "Double", "Logger", "Date", "clock_gettime", "import Glibc", "import Foundation"])
                == [])
    }

    @Test("kernels allocate nothing: only the pool's creation does")
    func kernelAllocation() {
        let files = SourceTree.c.filter { $0.target == "CKernels" && !$0.path.hasSuffix("workers.c") }
        #expect(files.count > 8)
        #expect(offenders(files, ["malloc(", "calloc(", "aligned_alloc(", "realloc("]) == [])
    }

    @Test("a file over 400 lines says why")
    func fileLength() {
        for file in SourceTree.swift + SourceTree.c + SourceTree.tests where file.lines.count > 400 {
            #expect(
                file.lines.contains { $0.contains("Longer than 400 lines because") },
                "\(file): \(file.lines.count) lines")
        }
    }

    @Test("no file names a place on the machine that it was written on")
    func places() {
        let files = SourceTree.swift + SourceTree.c + SourceTree.tests.filter { !$0.path.contains("TidyTests") }
        #expect(offenders(files, ["/home/", "/Users/", "/root/"]) == [])
    }
}
