import InferenceTypes
import Tokenization

/// The text side of a sequence: tokens in, text that may be said out. Forking a sequence copies it.
struct TextSpeller {
    private var detokenizer: StreamingDetokenizer
    private var stopMatcher: StopMatcher
    /// Whole scalars that the tokens so far have spelt, said or held back.
    private(set) var scalarCount = 0

    init(_ request: GenerationRequest, _ tokenizer: Tokenizer) {
        detokenizer = StreamingDetokenizer(
            tokenizer, after: request.promptTokens, specialTokens: request.report.showsSpecialTokens ? .keep : .skip)
        stopMatcher = StopMatcher(request.stop.strings, keepsStop: request.stop.keepsStop)
    }

    /// What a token adds, and the stop string that it completes.
    ///
    /// - Parameter heedsStops: false lets stop strings pass, and none can begin here.
    mutating func append(_ token: TokenID, heedsStops: Bool) -> (text: [UInt8], stop: [UInt8]?) {
        let text = detokenizer.append(token)
        scalarCount += text.scalarCount
        return heedsStops ? stopMatcher.append(text) : (text, nil)
    }

    /// Hands out what was held back. An unfinished scalar becomes U+FFFD there, and even that may complete a stop
    /// string.
    mutating func finish() -> (text: [UInt8], stop: [UInt8]?) {
        let (text, stop) = stopMatcher.append(detokenizer.finish())
        return stop == nil ? (text + stopMatcher.finish(), nil) : (text, stop)
    }
}

extension [UInt8] {
    /// - Requires: whole scalars.
    fileprivate var scalarCount: Int { reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) } }
}
