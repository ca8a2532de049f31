import ArgumentParser
import Quantization

/// What is removed from a model before it is stored, by which measure, and how that is judged.
struct PruneOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Remove weights of the layers' matrices, row by row: a fraction as 0.5, or all but N of each M side by side as 2:4.",
            valueName: "FRACTION|N:M"),
        transform: PruningPattern.init)
    var prune: PruningPattern?

    @Option(
        help: ArgumentHelp(
            "Remove by magnitude times the norm of the input over this text (Wanda), instead of by magnitude alone.",
            valueName: "TEXTFILE"))
    var calibrate: String?

    @Option(
        help: ArgumentHelp(
            "A text whose perplexity is printed before and after; the last tenth of --calibrate when absent.",
            valueName: "TEXTFILE"))
    var evaluate: String?

    func validate() throws {
        guard prune != nil || calibrate == nil else { throw ValidationError("--calibrate is for --prune") }
    }
}
