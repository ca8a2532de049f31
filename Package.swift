// swift-tools-version: 6.2
import PackageDescription

/// Strictness shared by every Swift target. Warnings are errors, access between targets is `package`,
/// imports are internal and only what is imported in a file is visible in it.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
]

/// Targets that walk over bytes and floats are optimised in debug builds too, assertions kept, so that
/// `swift test` stays fast.
let optimised: [SwiftSetting] =
    strict + [.unsafeFlags(["-O", "-assert-config", "Debug"], .when(configuration: .debug))]

/// C arithmetic is optimised in every build. Contraction is off: where a fused multiply-add is meant it is written, so
/// that every instruction set gives the same bits.
let arithmetic: [CSetting] = [
    .unsafeFlags(["-O3", "-std=c2x", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-Werror"])
]

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let collections: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let metrics: Target.Dependency = .product(name: "CoreMetrics", package: "swift-metrics")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

let package = Package(
    name: "needletail",
    products: [.executable(name: "needletail", targets: ["needletail"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .executableTarget(
            name: "needletail",
            dependencies: [
                "CompletionsAPI", "Tenancy", "HTTPTransport", "HTTPCodec", "Engine", "Transformer", "Kernels",
                "CKernels",
                "Sampling", "Quantization",
                "Tokenization", "Checkpoints", "InferenceTypes", "Telemetry", "StoryModel", argumentParser, httpTypes,
                lifecycle,
                signals, logging,
            ],
            swiftSettings: strict),
        .target(
            name: "CompletionsAPI",
            dependencies: [
                "HTTPCodec", "Tenancy", "Engine", "Tokenization", "InferenceTypes", "Telemetry", httpTypes, metrics,
            ],
            swiftSettings: strict),
        .target(
            name: "HTTPTransport", dependencies: ["HTTPCodec", "COpenSSL", httpTypes, logging, lifecycle],
            swiftSettings: strict),
        .target(name: "Tenancy", dependencies: ["COpenSSL"], swiftSettings: strict),
        .target(name: "HTTPCodec", dependencies: ["CZlib", httpTypes], swiftSettings: optimised),
        .target(
            name: "Engine",
            dependencies: [
                "Transformer", "Sampling", "Tokenization", "InferenceTypes", collections, logging,
            ],
            swiftSettings: optimised),
        .target(
            name: "Transformer", dependencies: ["Quantization", "Kernels", "Checkpoints", "InferenceTypes"],
            swiftSettings: optimised),
        .target(name: "Sampling", dependencies: ["InferenceTypes"], swiftSettings: optimised),
        .target(
            name: "Tokenization", dependencies: ["Checkpoints", "InferenceTypes"], swiftSettings: optimised),
        .target(
            name: "Quantization", dependencies: ["Checkpoints", "Tokenization", "Kernels", "InferenceTypes"],
            swiftSettings: optimised),
        .target(name: "Checkpoints", dependencies: ["InferenceTypes"], swiftSettings: optimised),
        .target(name: "Kernels", dependencies: ["CKernels", "InferenceTypes"], swiftSettings: optimised),
        .target(name: "CKernels", cSettings: arithmetic),
        .target(name: "InferenceTypes", swiftSettings: optimised),
        .target(name: "Telemetry", dependencies: [logging, metrics], swiftSettings: strict),
        .target(
            name: "StoryModel", exclude: ["training", "README.md", "reference.json"],
            cSettings: [.unsafeFlags(["-std=c2x"])]),
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
        .testTarget(
            name: "InferenceTypesTests", dependencies: ["InferenceTypes", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "CheckpointsTests", dependencies: ["Checkpoints", "InferenceTypes", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "TokenizationTests", dependencies: ["Tokenization", "Checkpoints", "InferenceTypes", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "KernelsTests", dependencies: ["Kernels", "CKernels", "InferenceTypes", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "QuantizationTests",
            dependencies: [
                "Quantization", "Kernels", "Transformer", "Checkpoints", "Tokenization", "InferenceTypes",
                "TestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "TransformerTests",
            dependencies: ["Transformer", "Kernels", "Checkpoints", "Tokenization", "InferenceTypes", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "SamplingTests", dependencies: ["Sampling", "InferenceTypes", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "EngineTests",
            dependencies: [
                "Engine", "Transformer", "Kernels", "Sampling", "Tokenization", "Checkpoints", "InferenceTypes",
                "TestSupport",
                logging,
            ],
            swiftSettings: strict),
        .testTarget(name: "TenancyTests", dependencies: ["Tenancy", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "HTTPCodecTests", dependencies: ["HTTPCodec", "TestSupport", httpTypes],
            swiftSettings: strict),
        .testTarget(
            name: "HTTPTransportTests",
            dependencies: [
                "HTTPTransport", "HTTPCodec", "COpenSSL", "TestSupport", httpTypes, logging, lifecycle,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "CompletionsAPITests",
            dependencies: [
                "CompletionsAPI", "Tenancy", "HTTPCodec", "Engine", "Sampling", "Tokenization", "Checkpoints",
                "InferenceTypes", "Telemetry", "TestSupport", httpTypes,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ServerTests",
            dependencies: [
                "needletail", "CompletionsAPI", "Tenancy", "HTTPTransport", "HTTPCodec", "Engine", "Transformer",
                "Kernels",
                "CKernels",
                "Sampling", "Quantization", "Tokenization", "Checkpoints", "InferenceTypes", "Telemetry", "TestSupport",
                argumentParser, httpTypes,
                logging,
            ],
            swiftSettings: strict),
        .testTarget(name: "TelemetryTests", dependencies: ["Telemetry", logging, metrics], swiftSettings: strict),
        .testTarget(name: "TidyTests", swiftSettings: strict),
        .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
    ]
)
