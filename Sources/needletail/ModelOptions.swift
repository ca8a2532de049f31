import ArgumentParser
import Engine

/// Which model, and what it may use.
struct ModelOptions: ParsableArguments {
    @Option(
        help:
            "A .gguf file, a Hugging Face directory, or a directory that holds one .gguf; the story model when absent.")
    var model: String?

    @Option(help: "The name that clients ask for; the model's own name when absent.")
    var modelName: String?

    @Option(help: "Positions of one sequence at most, prompt and generated; the model's own context when absent.")
    var context: Int?

    @Option(help: "Kernel threads; the physical cores that this program may use when absent.")
    var threads: Int?

    @Option(help: "Memory of the KV cache in MiB; room for 16 contexts within 512 MiB, or for one, when absent.")
    var kvCacheMib: Int?

    @Option(
        help: ArgumentHelp(
            "Keep packed weights for the next start, which then maps them: in a file beside the model, or in a directory "
                + "that exists, for any number of models.", valueName: "off|beside|DIRECTORY"))
    var packedCache = PackedCacheOption.off

    @Option(help: "Tokens that a block of the KV cache holds: prefixes are shared by whole blocks.")
    var blockSize = EngineConfiguration.standard.blockSize

    @Option(help: "Tokens that one step computes at most.")
    var maxBatchTokens = 512

    @Option(help: "Sequences that run at once.")
    var maxRunning = 64

    @Option(help: "Requests that wait for a place; one more is refused with 429.")
    var maxWaiting = 256

    @Option(help: "Beams of one request at most.")
    var maxNumBeams = 16

    @Option(help: "Logprobs of one position at most.")
    var maxLogprobs = 20

    @OptionGroup(title: "Arithmetic") var arithmetic: ArithmeticOptions

    @OptionGroup(title: "Many clients") var scheduling: SchedulingOptions

    func validate() throws {
        try check("--context", context, 1...1_048_576)
        try check("--threads", threads, 1...512)
        try check("--kv-cache-mib", kvCacheMib, 1...16_777_216)
        try check("--block-size", blockSize, 1...256)
        try check("--max-batch-tokens", maxBatchTokens, 1...65_536)
        try check("--max-running", maxRunning, 1...4096)
        try check("--max-waiting", maxWaiting, 1...65_536)
        try check("--max-num-beams", maxNumBeams, 1...256)
        try check("--max-logprobs", maxLogprobs, 0...1000)
    }
}
