import ArgumentParser

/// `needletail bench`: what this machine does with this model, as tables that can be pasted.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measures, and prints a table.",
        subcommands: [
            BenchKernelsCommand.self, BenchEngineCommand.self, BenchServeCommand.self, BenchMachineCommand.self,
            BenchDecodingCommand.self, BenchSimulateCommand.self, BenchPerplexityCommand.self,
        ])
}
