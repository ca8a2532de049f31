import Engine
import Transformer

/// What serving a model takes of the machine's memory, part by part, and whether it is there.
struct MemoryPlan: Sendable, Equatable {
    /// Packed, in memory of their own; or mapped from a file of packed weights. Its pages the kernel may take back, but what
    /// does not fit is read from the disk in every step.
    var weights: Int
    var cache: Int
    /// Activations, logits and scratch of a step.
    var working: Int

    /// The rest of the program: code, tokeniser, connections.
    ///
    /// - Source: measured at start, 29 MB with the story model and 72 MB at most with a vocabulary of 152 k.
    static let program = 96 << 20

    var total: Int { weights + cache + working + Self.program }

    /// What is left for the KV cache of this much memory, perhaps less than nothing.
    func room(in memory: Int) -> Int { memory - weights - working - Self.program }

    /// - Throws: one line with every part, where they are more than the memory.
    func check(memory: Int) throws(StartError) {
        guard total > memory else { return }
        throw StartError(
            "the model does not fit into the memory of \(Readable.bytes(memory)): \(Readable.bytes(weights)) of weights, "
                + "\(Readable.bytes(cache)) of KV cache, \(Readable.bytes(working)) to compute in and "
                + "\(Readable.bytes(Self.program)) for the program; lower --kv-cache-mib, --max-batch-tokens or --context, "
                + "or take a smaller model")
    }
}

/// The limits of control groups.
enum ControlGroups {
    /// The lowest memory limit of a process's group and of those above it, in either version; nil where there is none.
    ///
    /// A container often sees the path that its group has outside; then what lies at the root is its own.
    ///
    /// - Parameters:
    ///   - membership: the text of `/proc/self/cgroup`: lines of `number:controllers:path`.
    ///   - read: the text of a file, nil where it cannot be read.
    /// - Source: kernel documentation, admin-guide/cgroup-v2 (`memory.max`) and cgroup-v1/memory.
    static func memoryLimit(membership: String, read: (String) -> String?) -> Int? {
        levels(of: membership, controller: "memory").compactMap { folder, isUnified in
            read(folder + (isUnified ? "/memory.max" : "/memory.limit_in_bytes")).flatMap(byteCount)
        }.min()
    }

    /// The folders of a process's groups and of those above them, and whether they are of the second version.
    static func levels(of membership: String, controller: String) -> [(folder: String, isUnified: Bool)] {
        membership.split(separator: "\n").flatMap { line -> [(folder: String, isUnified: Bool)] in
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { return [] }
            if parts[1].isEmpty { return levels(parts[2]).map { ("/sys/fs/cgroup\($0)", true) } }
            guard parts[1].split(separator: ",").contains(Substring(controller)) else { return [] }
            return levels(parts[2]).map { ("/sys/fs/cgroup/\(controller)\($0)", false) }
        }
    }

    /// The path and those above it: `/a/b`, `/a` and the root, which is empty.
    private static func levels(_ path: Substring) -> [String] {
        let names = path.split(separator: "/")
        return (0...names.count).map { names.prefix($0).map { "/\($0)" }.joined() }
    }

    /// "max", and what is no number, is no limit.
    private static func byteCount(_ text: String) -> Int? {
        Int(text.filter { !$0.isWhitespace })
    }
}
