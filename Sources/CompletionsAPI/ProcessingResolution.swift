import InferenceTypes
import Tokenization

extension LogitsProcessing {
    /// - Throws: 400 where two fields say different things.
    init(_ sent: CompletionRequest, model: ServedModel) throws(APIError) {
        self.init()
        let penalty = try agreed(
            "repeat_penalty", sent.repeatPenalty, "repetition_penalty", sent.repetitionPenalty)
        // llama.cpp's 0 turns the penalty off; -1 is everything, which is what ours looks at.
        guard sent.repeatLastCount != 0 || (penalty ?? 1) == 1 else {
            throw .invalid("'repeat_last_n' must be -1 beside a repetition penalty, got 0.", parameter: "repeat_last_n")
        }
        repetitionPenalty = Float(penalty ?? 1)
        presencePenalty = Float(sent.presencePenalty ?? 0)
        frequencyPenalty = Float(sent.frequencyPenalty ?? 0)
        bias = sent.logitBias ?? []
        noRepeatNgramSize = sent.noRepeatNgramSize ?? 0
        minTokens = sent.minTokens ?? 0
        allowedTokens = sent.allowedTokens.map(Self.unique)
        suppressedTokens = Self.unique(sent.suppressedTokens ?? [])
        exponentialDecay = sent.exponentialDecay
        for (index, word) in (sent.badWords ?? []).enumerated() {
            badWords += try Self.badWords(word, index: index, model.tokenizer).filter { !badWords.contains($0) }
        }
    }

    private static func unique(_ tokens: [TokenID]) -> [TokenID] { Set(tokens).sorted() }

    /// A word where a text begins or goes on, and where a space stands before it: two spellings, or one where they are
    /// the same.
    ///
    /// - Source: vLLM `SamplingParams.update_from_tokenizer`, which leaves the second out where it has another number of
    ///   tokens; then " word" would come through, so both are taken.
    private static func badWords(
        _ word: [UInt8], index: Int, _ tokenizer: Tokenizer
    ) throws(APIError) -> [[TokenID]] {
        let space = UInt8(ascii: " ")
        let bare = Array(word.drop { $0 == space })
        let spellings = bare.isEmpty ? [word] : [bare, [space] + bare]
        let found = spellings.map { tokenizer.encode($0, addSpecialTokens: .omit) }.filter { !$0.isEmpty }
        guard !found.isEmpty else {
            throw .invalid("'bad_words[\(index)]' must be text that has tokens.", parameter: "bad_words")
        }
        return found
    }
}
