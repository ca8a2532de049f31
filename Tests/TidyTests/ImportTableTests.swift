import Foundation
import Testing

/// The import table of Sources/README.md: what each target may import of ours, and of packages.
@Suite("The import table")
struct ImportTableTests {
    private static let ours: [String: Set<String>] = [
        // The kernels themselves are what `bench kernels` measures.
        "needletail": [
            "CKernels",
            "CompletionsAPI", "Tenancy",
            "HTTPTransport", "HTTPCodec", "Engine", "Transformer", "Sampling", "Tokenization",
            "Quantization", "Checkpoints", "Kernels", "InferenceTypes", "Telemetry", "StoryModel",
        ],
        "CompletionsAPI": ["HTTPCodec", "Tenancy", "Engine", "Tokenization", "InferenceTypes", "Telemetry"],
        "HTTPTransport": ["HTTPCodec", "COpenSSL", "Telemetry"],
        "Tenancy": ["COpenSSL"],
        "HTTPCodec": ["CZlib"],
        "Engine": ["Transformer", "Sampling", "Tokenization", "InferenceTypes", "Telemetry"],
        "Transformer": ["Quantization", "Kernels", "Checkpoints", "InferenceTypes"],
        "Quantization": ["Kernels", "Checkpoints", "Tokenization", "InferenceTypes"],
        "Sampling": ["InferenceTypes"],
        "Tokenization": ["Checkpoints", "InferenceTypes"],
        "Checkpoints": ["InferenceTypes"],
        "Kernels": ["CKernels", "InferenceTypes"],
        "InferenceTypes": [],
        "Telemetry": [],
    ]

    private static let packages: [String: Set<String>] = [
        "needletail": ["ArgumentParser", "HTTPTypes", "ServiceLifecycle", "UnixSignals", "Logging"],
        "CompletionsAPI": ["HTTPTypes", "CoreMetrics"],
        "HTTPTransport": ["HTTPTypes", "Logging", "ServiceLifecycle"],
        "HTTPCodec": ["HTTPTypes"],
        "Engine": ["DequeModule", "Logging"],
        "Telemetry": ["Logging", "CoreMetrics"],
    ]

    private static let system: Set<String> = ["Foundation", "FoundationEssentials", "Dispatch", "Glibc", "Musl"]

    /// Modules that a file imports.
    private func imports(_ file: SourceTree.File) -> [String] {
        file.code.compactMap { line in
            let words = line.split(separator: " ").map(String.init)
            guard let index = words.firstIndex(of: "import"), words[..<index].allSatisfy(Self.isImportModifier) else {
                return nil
            }
            // "import struct Module.Name" names a kind first.
            return words.last?.components(separatedBy: ".").first
        }
    }

    private static func isImportModifier(_ word: String) -> Bool {
        ["package", "internal", "private", "fileprivate", "public"].contains(word) || word.hasPrefix("@")
    }

    @Test("each file imports what its target may")
    func allowed() {
        #expect(SourceTree.swift.count > 60)
        for file in SourceTree.swift {
            let target = file.target
            let allowed = (Self.ours[target] ?? []).union(Self.packages[target] ?? []).union(Self.system).union([
                "Swift"
            ])
            for module in imports(file) {
                #expect(allowed.contains(module), "\(file) imports \(module)")
            }
        }
    }

    @Test("every Swift target stands in the table")
    func complete() {
        #expect(Set(SourceTree.swift.map(\.target)) == Set(Self.ours.keys))
    }

    @Test("the codec knows no clock, queue or system; the pure cores know no Foundation")
    func pure() {
        for file in SourceTree.swift where ["HTTPCodec", "InferenceTypes"].contains(file.target) {
            #expect(Set(imports(file)).isDisjoint(with: Self.system), "\(file)")
        }
        // Sampling needs exp and log.
        for file in SourceTree.swift where file.target == "Sampling" {
            #expect(Set(imports(file)).intersection(Self.system).isSubset(of: ["Glibc"]), "\(file)")
        }
        for file in SourceTree.swift where file.target == "HTTPCodec" {
            #expect(!file.code.contains { $0.contains(" async ") || $0.contains("await ") }, "\(file)")
        }
    }
}
