import ArgumentParser
import Engine
import Kernels
import Logging
import Testing
import Transformer

@testable import needletail

@Suite("Settings")
struct SettingsTests {
    private func sizes(_ arguments: String) throws -> EngineConfiguration {
        try LoadedModel(try ModelOptions.parse(arguments.split(separator: " ").map(String.init))).engineConfiguration
    }

    @Test("Flags become sizes of the engine; what is not given is the engine's own default")
    func applied() throws {
        let standard = try sizes("")
        #expect(standard.maxWaitingTokens == 262_144 && standard.maxQueueTime == .seconds(60))
        #expect(standard.maxOvertakes == 32 && standard.cachesPrefixes && standard.pacing == .relative(2))
        #expect(standard.blockSize == 16)
        let given = try sizes(
            "--max-waiting-tokens 5000 --max-queue-seconds 7 --max-overtakes 0 --no-prefix-cache --block-size 32")
        #expect(given.maxWaitingTokens == 5000 && given.maxQueueTime == .seconds(7))
        #expect(given.maxOvertakes == 0 && !given.cachesPrefixes && given.blockSize == 32)
        #expect(given.blockCount == standard.blockCount / 2)
        #expect(try sizes("--max-queue-seconds 0").maxQueueTime == nil)
        #expect(try sizes("--prefix-cache").cachesPrefixes)
    }

    @Test(
        "The pace of steps",
        arguments: [
            ("--step-target-ms 40", .absolute(.milliseconds(40))),
            ("--step-target-ms 2.5", .absolute(.microseconds(2500))),
            ("--step-target-ms 0", .unlimited), ("--step-stretch 3", .relative(3)),
            ("--step-stretch 1", .relative(1)),
        ] as [(String, StepPacing)])
    func pacing(_ arguments: String, _ pacing: StepPacing) throws {
        #expect(try sizes(arguments).pacing == pacing)
    }

    @Test(
        "A value out of range is refused with its flag and the range",
        arguments: [
            ("--max-waiting-tokens", "0", "1…1073741824"), ("--max-waiting-tokens", "1073741825", "1…1073741824"),
            ("--max-queue-seconds", "-1", "0…86400"), ("--max-queue-seconds", "86401", "0…86400"),
            ("--max-overtakes", "-1", "0…65536"), ("--max-overtakes", "65537", "0…65536"),
            ("--step-target-ms", "-1", "0.0…60000.0"), ("--step-target-ms", "nan", "0.0…60000.0"),
            ("--step-target-ms", "inf", "0.0…60000.0"), ("--step-stretch", "0.9", "1.0…1000.0"),
            ("--step-stretch", "nan", "1.0…1000.0"), ("--block-size", "0", "1…256"), ("--block-size", "257", "1…256"),
        ])
    func refused(_ flag: String, _ value: String, _ range: String) throws {
        let error = #expect(throws: (any Error).self) { try ModelOptions.parse(["\(flag)=\(value)"]) }
        let message = ModelOptions.message(for: try #require(error))
        #expect(message.contains("\(flag) must be in \(range), got"), "\(message)")
    }

    @Test("Two paces contradict each other")
    func twoPaces() throws {
        let error = #expect(throws: (any Error).self) {
            try ModelOptions.parse(["--step-target-ms", "10", "--step-stretch", "2"])
        }
        #expect(ModelOptions.message(for: try #require(error)).contains("give one of them"))
    }

    @Test("What was derived is told in two lines")
    func told() throws {
        let model = try LoadedModel(
            try ModelOptions.parse(
                ["--kv-cache-mib", "8", "--step-target-ms", "20", "--no-prefix-cache", "--threads", "2"]))
        let sizes = model.engineConfiguration
        #expect(model.sizes.count == 2)
        #expect(
            model.sizes[0].hasPrefix(
                "KV cache of \(sizes.blockCount) blocks × 16 tokens in bf16 = 8.4 MB, prefixes not kept; ")
        )
        #expect(model.sizes[0].hasSuffix("steps of up to 512 tokens, 64 sequences, within 20 ms"))
        #expect(
            model.sizes[1].hasPrefix(
                "up to 256 requests or 262144 prompt tokens wait, for 60 s, each overtaken 32 times at most; 2 threads of \(InstructionSet.best.rawValue), "
            ))
    }
}

@Suite("Memory")
struct MemoryTests {
    private func model(_ arguments: [String] = [], memory: Int) throws -> LoadedModel {
        try LoadedModel(try ModelOptions.parse(arguments), memory: memory)
    }

    @Test("The default KV cache fits in whatever memory there is, down to that of one block")
    func defaults() throws {
        let needed = try model(memory: 1 << 40).memoryPlan
        let least = needed.total - needed.cache
        for memory in [1 << 40, 1 << 30, 256 << 20, least + (4 << 20), least + (1 << 20)] {
            let model = try model(memory: memory)
            try model.memoryPlan.check(memory: memory)
            #expect(model.memoryPlan.cache <= memory / 4)
            #expect(model.engineConfiguration.blockCount > 0)
        }
        let tight = try model(memory: least)
        #expect(tight.engineConfiguration.blockCount == 1)
        #expect(throws: StartError.self) { try tight.memoryPlan.check(memory: least) }
    }

    @Test("What does not fit is one line with every part, and the engine does not start")
    func tooMuch() async throws {
        let model = try model(["--kv-cache-mib", "200"], memory: 256 << 20)
        let error = await #expect(throws: StartError.self) {
            _ = try await model.startEngine(logger: Logger(label: ""))
        }
        let text = error?.description ?? ""
        #expect(text.contains("the model does not fit into the memory of 268.4 MB"), "\(text)")
        #expect(text.contains("209.6 MB of KV cache") || text.contains("209.7 MB of KV cache"), "\(text)")
        #expect(!text.contains("\n"))
    }

    @Test("A larger step takes more to compute in; fewer tokens take less")
    func working() throws {
        let small = try model(["--max-batch-tokens", "64", "--threads", "1"], memory: 1 << 40).memoryPlan
        let large = try model(["--max-batch-tokens", "4096", "--threads", "1"], memory: 1 << 40).memoryPlan
        #expect(large.working > small.working * 8)
    }

    @Test(
        "Control groups: the lowest limit of the group and those above it, of either version",
        arguments: [
            ("0::/\n", ["/sys/fs/cgroup/memory.max": "1000\n"], 1000),
            ("0::/\n", ["/sys/fs/cgroup/memory.max": "max\n"], nil), ("0::/\n", [:], nil), ("", [:], nil),
            (
                "0::/a/b\n",
                [
                    "/sys/fs/cgroup/a/b/memory.max": "max\n", "/sys/fs/cgroup/a/memory.max": "500\n",
                    "/sys/fs/cgroup/memory.max": "900\n",
                ], 500
            ),
            ("0::/docker/1\n", ["/sys/fs/cgroup/memory.max": "700\n"], 700),
            (
                "5:cpu,cpuacct:/x\n4:memory:/a/b\n0::/\n",
                [
                    "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "300\n",
                    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                    "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "1\n",
                ], 300
            ),
            ("4:memory:/a:b\n", ["/sys/fs/cgroup/memory/a:b/memory.limit_in_bytes": "42"], 42),
            ("nonsense\n::\n0::/\n", ["/sys/fs/cgroup/memory.max": "-\n"], nil),
        ] as [(String, [String: String], Int?)])
    func groups(_ membership: String, _ files: [String: String], _ limit: Int?) {
        #expect(ControlGroups.memoryLimit(membership: membership) { files[$0] } == limit)
    }

    @Test(
        "How the arithmetic is chosen",
        arguments: [
            ("", .native, .bf16), ("--compute f32", .f32, .f32), ("--kv-cache-type q8_0", .native, .q8_0),
            ("--block-size 8", .native, .f32), ("--compute f32 --kv-cache-type bf16", .f32, .bf16),
        ] as [(String, ComputeType, CacheType)])
    func arithmetic(_ arguments: String, _ compute: ComputeType, _ cache: CacheType) throws {
        let model = try LoadedModel(try ModelOptions.parse(arguments.split(separator: " ").map(String.init)))
        #expect(model.precision == ModelPrecision(compute: compute, cache: cache))
    }

    @Test("A cache that cannot have such blocks, and instructions that nobody knows, are refused")
    func arithmeticRefused() throws {
        let options = try ModelOptions.parse(["--kv-cache-type", "q8_0", "--block-size", "8"])
        let error = #expect(throws: StartError.self) { try LoadedModel(options) }
        #expect("\(try #require(error))".contains("multiple of 16, got 8"))
        #expect(throws: (any Error).self) { try ModelOptions.parse(["--cpu-features", "mmx"]) }
        #expect(throws: (any Error).self) { try ModelOptions.parse(["--compute", "f64"]) }
    }

    @Test("The instructions of this processor are listed, and the best one marked")
    func listed() throws {
        let exit = #expect(throws: (any Error).self) { try ModelOptions.parse(["--cpu-features", "list"]) }
        let text = ModelOptions.fullMessage(for: try #require(exit))
        #expect(text.contains("\(InstructionSet.best.rawValue)"))
        #expect(text.split(separator: "\n").count { $0.hasSuffix("best here") } == 1)
        #expect(text.split(separator: "\n").count == InstructionSet.allCases.count)
        #expect(
            try ModelOptions.parse(["--cpu-features", "portable"]).arithmetic.instructionSet == .portable)
    }
}
