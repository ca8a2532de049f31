/// Bounds on what a model file may ask for. A file past one of them is refused with its name.
///
/// - Source: reliability.md section 14 for the formats. Hyper-parameters: a small multiple of the largest published
///   model of each kind, so that no product of two of them comes near 64 bits.
enum CheckpointLimits {
    // GGUF. Its specification bounds names (64) and keys (65 535) only; llama.cpp bounds strings at 1 GiB and arrays
    // at 2^30.
    static let keyByteCount = 65_535
    static let stringByteCount = 64 << 20
    static let arrayCount = 1 << 26
    static let keyCount = 65_536
    static let tensorCount = 65_536
    static let tensorNameByteCount = 255
    static let dimensionCount = 4
    /// The specification asks for a multiple of 8; more than a page of a large-page machine has no use.
    static let alignment = 8...65_536

    // Safetensors.
    /// The reference reader's bound.
    static let headerByteCount = 100_000_000
    static let shardCount = 1024
    static let safetensorsDimensionCount = 8

    // Files of a Hugging Face directory, read whole. The largest published: tokenizer.json 33 MB, tokenizer.model 5 MB,
    // an index 10 MB.
    static let tokenizerByteCount = 256 << 20
    static let configurationByteCount = 32 << 20
    /// The largest published chat templates have 50 KB.
    static let chatTemplateByteCount = 4 << 20
    /// Names in a directory that are looked at when searching for a `.gguf` file.
    static let directoryEntryCount = 65_536

    // Hyper-parameters; the comment names the largest published.
    /// Llama 3.1 405B: 16 384.
    static let hiddenSize = 1...131_072
    /// Llama 3.1 405B: 126. Zero layers make no transformer.
    static let layerCount = 1...1024
    /// Llama 3.1 405B: 128.
    static let headCount = 1...1024
    /// Gemma: 256.
    static let headDimension = 1...1024
    /// Llama 3.1 405B: 53 248.
    static let feedForwardSize = 1...1_048_576
    /// Gemma 3: 262 208. Below `TokenID.max`.
    static let vocabularyCount = 1...16_777_216
    /// Llama 4 Scout: 10 485 760. A plan's positions are `Int32`.
    static let contextCount = 1...16_777_216
    /// Published: 1e-8 to 1e-5. Zero divides by zero on a row of zeros.
    static let normEpsilon = 1e-12...0.1
    /// Published: 1e4 to 5e8.
    static let rotaryBase = 1.0...1e12
    /// Published: 2 to 64.
    static let rotaryFactor = 1.0...1e6
}
